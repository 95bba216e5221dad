// Package bench_test measures what atlassian-mcp costs beside a bare relay (see bare) that does the same job with
// net/http alone. Both relay to the same server on loopback, in turn, in the same run:
//
//	go test ./scripts/bench -run '^$' -bench . -benchtime 5x
//
// One iteration is one round: each relay does the workload, the short ones several times, always in a fresh process. The
// figures are medians over the rounds, and a ratio is the median of the rounds' ratios. The first round that go test
// makes of everything counts for nothing. Memory is read from /proc and left out where there is none.
package bench_test

import (
	"cmp"
	"flag"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

var (
	gate  = flag.Float64("gate", 0, "fail when a median is beyond this many times its bound; 0 only reports")
	other = flag.String("relay", "", "measure this program instead of a fresh build of cmd/atlassian-mcp")
)

// A bound says how far a figure may be from the bare relay's.
type bound struct {
	most  float64 // times the bare relay's figure, at most
	orAdd float64 // or this much more, if that is larger
	least float64 // times the bare relay's figure, at least: for figures of which more is better
}

// used is how much of the bound is used up; beyond 1 it is missed.
func (b bound) used(bare, ours, ratio float64) float64 {
	switch {
	case b.least > 0:
		return b.least / ratio
	case b.orAdd > 0:
		return min(ratio/b.most, ours/(bare+b.orAdd))
	}
	return ratio / b.most
}

func (b bound) String() string {
	switch {
	case b == bound{}:
		return ""
	case b.least > 0:
		return fmt.Sprintf("≥ %.2f", b.least)
	case b.orAdd > 0:
		return fmt.Sprintf("≤ %.2f or +%g", b.most, b.orAdd)
	}
	return fmt.Sprintf("≤ %.2f", b.most)
}

// A row is one figure of a workload. Without a bound it is there for information.
type row struct {
	name   string
	unit   string
	metric string // in go test's own output
	bound  bound
}

// A measurement is a row filled in: the medians over all rounds.
type measurement struct {
	row
	workload          string
	bare, ours, ratio float64
	rounds            int
}

func (m measurement) used() float64 { return m.bound.used(m.bare, m.ours, m.ratio) }

func BenchmarkRelay(b *testing.B) {
	dir := b.TempDir()
	build(b, dir, "./bare", "./server")
	if *other == "" {
		build(b, dir, "../../cmd/atlassian-mcp")
	}
	server := startServer(b, filepath.Join(dir, "server"))
	bare := command{filepath.Join(dir, "bare"), server}
	ours := command{cmp.Or(*other, filepath.Join(dir, "atlassian-mcp")), server}

	var table [][]measurement
	for _, w := range workloads {
		var measured []measurement
		b.Run(w.name, func(b *testing.B) {
			measured = measure(b, w, bare, ours)
			b.ReportMetric(0, "ns/op") // a round's time says nothing
			for _, m := range measured {
				if m.bound != (bound{}) {
					b.ReportMetric(m.ratio, m.metric+"-ratio")
				}
			}
		})
		if measured != nil {
			table = append(table, measured)
		}
	}
	report(table)
	for _, m := range slices.Concat(table...) {
		if m.bound != (bound{}) && *gate > 0 && m.used() > *gate {
			b.Errorf("%s, %s: %s %s beside %s, a ratio of %.2f, is more than %g times beyond the bound %v",
				m.workload, m.metric, short(m.ours), m.unit, short(m.bare), m.ratio, *gate, m.bound)
		}
	}
}

// measure lets both relays do w in b.N rounds, taking turns at being first.
func measure(b *testing.B, w workload, bare, ours command) []measurement {
	rounds := make([][][2]float64, b.N) // the figures of each, by row and relay
	for i := range rounds {
		tries := make([][2][]float64, len(w.rows))
		for n := range max(1, w.tries) {
			first := (i + n) % 2
			commands := [2]command{bare, ours}
			figures := w.run(b, [2]command{commands[first], commands[1-first]})
			for k := range w.rows {
				tries[k][0] = append(tries[k][0], figures[first][k])
				tries[k][1] = append(tries[k][1], figures[1-first][k])
			}
		}
		for _, try := range tries {
			rounds[i] = append(rounds[i], [2]float64{median(try[0]), median(try[1])})
		}
	}
	var measured []measurement
	for k, r := range w.rows {
		if math.IsNaN(rounds[0][k][0]) {
			continue
		}
		over := func(figure func(bare, ours float64) float64) float64 {
			var figures []float64
			for _, round := range rounds {
				figures = append(figures, figure(round[k][0], round[k][1]))
			}
			return median(figures)
		}
		measured = append(measured, measurement{
			row:      r,
			workload: w.name,
			bare:     over(func(bare, _ float64) float64 { return bare }),
			ours:     over(func(_, ours float64) float64 { return ours }),
			ratio:    over(func(bare, ours float64) float64 { return ours / bare }),
			rounds:   b.N,
		})
	}
	return measured
}

// report prints the table.
func report(table [][]measurement) {
	if len(table) == 0 {
		return
	}
	line := func(columns ...any) {
		fmt.Println(strings.TrimRight(fmt.Sprintf("%-40s %9s %14s  %-8s %5s  %-14s %s", columns...), " "))
	}
	fmt.Println()
	line("", "bare", "atlassian-mcp", "", "ratio", "bound", "")
	for _, measured := range table {
		for _, m := range measured {
			verdict := "met"
			switch {
			case m.bound == bound{}:
				verdict = ""
			case m.used() > 1:
				verdict = "MISSED"
			}
			line(m.name, short(m.bare), short(m.ours), m.unit, fmt.Sprintf("%.2f", m.ratio), m.bound, verdict)
		}
	}
	fmt.Printf("Medians of %d rounds; %s/%s, %d CPUs, %s.\n",
		table[0][0].rounds, runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	if !accountsMemory() {
		fmt.Println("Memory is left out: this machine has no /proc.")
	}
}

// short formats a figure to three digits.
func short(f float64) string {
	switch {
	case f >= 100:
		return fmt.Sprintf("%.0f", f)
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.2f", f)
}

func median(figures []float64) float64 {
	sorted := slices.Sorted(slices.Values(figures))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func percentile(figures []float64, p int) float64 {
	sorted := slices.Sorted(slices.Values(figures))
	return sorted[(len(sorted)-1)*p/100]
}
