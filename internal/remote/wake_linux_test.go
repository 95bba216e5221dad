package remote

import (
	"net"
	"syscall"
	"testing"
)

// TestWatchKeepsAlive looks at what the system has been told of a connection.
func TestWatchKeepsAlive(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := Watch(new(net.Dialer).DialContext)(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*watchedConnection).Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		for _, option := range []struct{ name, want int }{
			{syscall.TCP_KEEPIDLE, 30},
			{syscall.TCP_KEEPINTVL, 15},
			{syscall.TCP_KEEPCNT, 3},
			{tcpUserTimeout, 75000},
		} {
			if got, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, option.name); got != option.want || err != nil {
				t.Errorf("option %#x is %d, %v, want %d", option.name, got, err, option.want)
			}
		}
	})
}
