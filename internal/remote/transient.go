package remote

import (
	"context"
	"errors"
	"io"
	"net"
)

// Transient reports whether what Dial failed with may be over by itself: the network is down, or the server is silent, overloaded or being
// restarted. Anything else stays until somebody changes something.
func Transient(err error) bool {
	var (
		status  *StatusError
		lost    *lostError
		op      *net.OpError
		name    *net.DNSError
		timeout net.Error
	)
	switch {
	case errors.As(err, &status):
		return transient(err)
	case errors.As(err, &lost), errors.As(err, &op), errors.As(err, &name):
		return true
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.DeadlineExceeded):
		return true
	}
	return errors.As(err, &timeout) && timeout.Timeout()
}
