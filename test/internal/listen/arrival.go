package listen

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// tick is more than the kernel's clock of [unix.TCPInfo] errs by: it counts in jiffies, at most 10 ms each.
const tick = 10 * time.Millisecond

// Unheard is for how long at least the last bytes of a connection have been there, by the kernel's account; 0
// where there is none. It is the server's own clock: a client can only make the time shorter, by sending more.
func Unheard(connection net.Conn) time.Duration {
	tcp, ok := connection.(*net.TCPConn)
	if !ok {
		return 0
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0
	}
	var age time.Duration
	raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			age = time.Duration(info.Last_data_recv) * time.Millisecond
		}
	})
	return max(0, age-tick)
}
