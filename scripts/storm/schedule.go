//go:build linux

package main

import (
	"math/rand/v2"
	"slices"
	"time"
)

// A happening is a fault at its time.
type happening struct {
	at, length time.Duration
	fault      string
	relay      int // which one, if it is of one
	way        int // index in endings, if one ends
}

// A burst is some faults, one or several at a time, and calm after them.
type burst struct {
	happenings []happening
	end        time.Duration // of the last
}

// A kind is what may happen, and for how long.
type kind struct {
	fault           string
	shortest, extra time.Duration
}

// kinds returns all faults that are on the schedule. That of a stopped lock holder takes a minute and has its own, see lockHolder.
func kinds() []kind {
	const ms = time.Millisecond
	list := []kind{
		{fault: "kill", shortest: 200 * ms, extra: 1800 * ms},
		{fault: "expire tokens"},
		{fault: "expire tokens"}, // this is what happens every hour
		{fault: "expire sessions"},
		{fault: "revoke"},
		{fault: "restart"},
		{fault: "restart"},
		{fault: "sleep", shortest: 500 * ms, extra: 4500 * ms},
		{fault: "sleep of all", shortest: 500 * ms, extra: 3500 * ms},
		{fault: "slow", shortest: 2000 * ms, extra: 2000 * ms},
	}
	for _, name := range networkFaults {
		list = append(list, kind{fault: name, shortest: 300 * ms, extra: 2700 * ms})
	}
	return list
}

// schedule returns what happens in a storm of a length.
func schedule(seed uint64, length time.Duration, relays int) (bursts []burst) {
	dice := rand.New(rand.NewPCG(seed, 0))
	some := func(d time.Duration) time.Duration {
		if d == 0 {
			return 0
		}
		return time.Duration(dice.Int64N(int64(d)))
	}
	var deck []kind // each kind comes once before any comes twice
	deal := func() kind {
		if len(deck) == 0 {
			deck = kinds()
			dice.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		}
		k := deck[0]
		deck = slices.Delete(deck, 0, 1)
		return k
	}
	for at := 200 * time.Millisecond; ; {
		b := burst{}
		for range 1 + dice.IntN(3) {
			k := deal()
			h := happening{at: at + some(1500*time.Millisecond), length: k.shortest + some(k.extra), fault: k.fault, relay: dice.IntN(relays), way: dice.IntN(len(endings))}
			b.happenings = append(b.happenings, h)
			b.end = max(b.end, h.at+h.length)
		}
		slices.SortFunc(b.happenings, func(a, b happening) int { return int(a.at - b.at) })
		if b.end > length {
			return bursts
		}
		bursts = append(bursts, b)
		at = b.end + 1500*time.Millisecond + some(2500*time.Millisecond)
	}
}
