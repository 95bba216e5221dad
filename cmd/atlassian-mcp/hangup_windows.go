package main

import "os"

// watchHangup does nothing: Windows tells of a reader that has gone only to those who
// write. A client that dies closes standard input too, which ends the relay.
func watchHangup(*os.File, func()) (stop func()) {
	return func() {}
}
