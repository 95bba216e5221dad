package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// A bodyLimiter cuts bodies of which nothing comes for a time.
type bodyLimiter struct {
	next  http.RoundTripper
	limit time.Duration
}

func (l bodyLimiter) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	res, err := l.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	silent := fmt.Errorf("nothing came of the answer for %v (--body-timeout)", l.limit)
	timer := time.AfterFunc(l.limit, func() { cancel(silent) })
	timer.Stop()
	res.Body = &limitedBody{res.Body, l.limit, timer, silent, ctx, cancel}
	return res, nil
}

// CloseIdleConnections is what http.Client looks for.
func (l bodyLimiter) CloseIdleConnections() {
	if next, ok := l.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

// A limitedBody counts how long a read takes, not how long nobody reads.
type limitedBody struct {
	io.ReadCloser
	limit  time.Duration
	timer  *time.Timer
	silent error
	ctx    context.Context // of the exchange; it is over when timer fires
	cancel context.CancelCauseFunc
}

func (b *limitedBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.limit)
	defer b.timer.Stop()
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF && context.Cause(b.ctx) == b.silent {
		err = b.silent
	}
	return n, err
}

func (b *limitedBody) Close() error {
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}
