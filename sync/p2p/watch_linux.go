package p2p

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// watchLinks says on the channel that interfaces or their addresses changed; nil
// where the system does not tell.
func (n *Net) watchLinks() <-chan struct{} {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil
	}
	socket := os.NewFile(uintptr(fd), "netlink")
	groups := unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: uint32(groups)}); err != nil {
		socket.Close()
		return nil
	}
	context.AfterFunc(n.ctx, func() { socket.Close() })
	events := make(chan struct{}, 1)
	n.spawn(func() {
		buf := make([]byte, 1<<16)
		for {
			// Too much at once for the system to keep is an event as well.
			if _, err := socket.Read(buf); err != nil && !errors.Is(err, unix.ENOBUFS) {
				return
			}
			select {
			case events <- struct{}{}:
			default:
			}
		}
	})
	return events
}
