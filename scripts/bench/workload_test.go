package bench_test

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

const (
	mib = 1 << 20

	warmUp        = 100   // calls that don't count
	sequential    = 2_000 // calls one after the other
	concurrent    = 2_500 // calls, of which
	inFlight      = 64    // are under way at a time
	small         = 1_024 // bytes, the result of such a call
	notifications = 20_000

	// settle is how long an idle relay gets to finish what it does in the background, before its memory is read.
	settle = time.Second
)

// The bounds that the project promises.
var (
	startBound      = bound{most: 2, orAdd: 10} // ms
	memoryBound     = bound{most: 2}
	peakBound       = bound{most: 1.5} // the bare relay needs two to three times the size of a large result
	latencyBound    = bound{most: 1.25}
	throughputBound = bound{least: 0.85}
)

// A workload is something that both relays do in fresh processes.
type workload struct {
	name  string
	tries int // in one round, for what is over too soon to be measured once; 0 means one
	rows  []row
	run   func(testing.TB, [2]command) [2][]float64 // the figures of each relay, as many as rows; NaN for unknown
}

// inTurn makes a workload's run of what one relay does alone.
func inTurn(run func(testing.TB, command) []float64) func(testing.TB, [2]command) [2][]float64 {
	return func(tb testing.TB, commands [2]command) (figures [2][]float64) {
		for i, c := range commands {
			figures[i] = run(tb, c)
		}
		return figures
	}
}

var workloads = slices.Concat(
	[]workload{{
		name:  "start",
		tries: 21,
		rows:  []row{{"start to answered initialize", "ms", "start", startBound}},
		run: inTurn(func(tb testing.TB, c command) []float64 {
			began := time.Now()
			r := c.start(tb)
			defer r.stop()
			r.initialize()
			return []float64{ms(time.Since(began))}
		}),
	}, {
		name: "idle",
		rows: []row{
			{"idle memory (RSS)", "MiB", "rss", memoryBound},
			{"    without the program's own file", "MiB", "anonymous", memoryBound},
		},
		run: inTurn(func(tb testing.TB, c command) []float64 {
			r := c.open(tb)
			defer r.stop()
			r.call(call{bytes: small})
			time.Sleep(settle)
			return []float64{r.memory("Rss"), r.memory("Anonymous")}
		}),
	}},
	calls("JSON", call{bytes: small}),
	calls("SSE", call{bytes: small, stream: true}),
	[]workload{
		result("10 MiB, JSON", call{bytes: 10 * mib}),
		result("10 MiB, SSE", call{bytes: 10 * mib, stream: true}),
		result("64 MiB, JSON", call{bytes: 64 * mib}),
		result("64 MiB, SSE", call{bytes: 64 * mib, stream: true}),
		{
			name:  "notifications",
			tries: 5,
			rows: []row{
				{"20,000 notifications on one stream", "k/s", "throughput", throughputBound},
				{"    processor time", "ms", "cpu", bound{}},
				{"    peak memory", "MiB", "peak", bound{}},
			},
			run: inTurn(func(tb testing.TB, c command) []float64 {
				took, processor, peak := c.do(tb, func(r *relay) {
					r.call(call{bytes: small, stream: true, notifications: notifications})
				})
				return []float64{notifications / took, processor, peak}
			}),
		},
	},
)

// calls is many small calls: one after the other, and many at a time.
func calls(kind string, c call) []workload {
	return []workload{{
		name: "latency " + kind,
		rows: []row{
			{"one small call at a time, " + kind + ", p50", "µs", "p50", latencyBound},
			{"    p99", "µs", "p99", latencyBound},
		},
		// The relays take turns call by call: what else the machine does delays the slowest few of both.
		run: func(tb testing.TB, commands [2]command) (figures [2][]float64) {
			var relays [2]*relay
			for i, command := range commands {
				relays[i] = command.open(tb)
				defer relays[i].stop()
			}
			var times [2][]float64
			for id := range warmUp + sequential {
				for i, r := range relays {
					began := time.Now()
					r.call(c.withID(id))
					if id >= warmUp {
						times[i] = append(times[i], 1000*ms(time.Since(began)))
					}
				}
			}
			for i := range figures {
				figures[i] = []float64{percentile(times[i], 50), percentile(times[i], 99)}
			}
			return figures
		},
	}, {
		name:  "throughput " + kind,
		tries: 3,
		rows: []row{
			{fmt.Sprintf("%d small calls at a time, %s", inFlight, kind), "calls/s", "throughput", throughputBound},
			{"    processor time of all", "ms", "cpu", bound{}},
			{"    peak memory", "MiB", "peak", bound{}},
		},
		run: inTurn(func(tb testing.TB, command command) []float64 {
			took, processor, peak := command.do(tb, func(r *relay) { r.calls(c, concurrent, inFlight) })
			return []float64{1000 * concurrent / took, processor, peak}
		}),
	}}
}

// result is one large result.
func result(name string, c call) workload {
	return workload{
		name:  name,
		tries: 5,
		rows: []row{
			{"result of " + name, "ms", "time", latencyBound},
			{"    processor time", "ms", "cpu", bound{}},
			{"    peak memory", "MiB", "peak", peakBound},
		},
		run: inTurn(func(tb testing.TB, command command) []float64 {
			took, processor, peak := command.do(tb, func(r *relay) { r.call(c) })
			return []float64{took, processor, peak}
		}),
	}
}

// do has a relay do something in a session. It returns how long that took and the processor time of the relay from its
// start to its end, in ms, and the most memory that it ever had, in MiB.
func (c command) do(tb testing.TB, something func(*relay)) (took, processor, peak float64) {
	r := c.open(tb)
	began := time.Now()
	something(r)
	took = ms(time.Since(began))
	peak = r.memory("VmHWM")
	r.stop()
	return took, ms(r.processorTime()), peak
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
