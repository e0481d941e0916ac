package main_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"coop/crdt/record"
	"coop/sync/wire"
)

// in runs f on a host of the network: what it opens stays there.
func (l *lan) in(i int, f func() error) {
	l.t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		ns, err := os.Open(filepath.Join("/var/run/netns", l.host(i)))
		if err == nil {
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
			ns.Close()
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		l.t.Fatal(err)
	}
}

// counting listens on a host and counts who calls.
func (l *lan) counting(i int, addr string) *atomic.Int64 {
	l.t.Helper()
	var calls atomic.Int64
	l.in(i, func() error {
		listener, err := net.Listen("tcp", addr)
		if err != nil {
			return err
		}
		l.t.Cleanup(func() { listener.Close() })
		go func() {
			for c, err := listener.Accept(); err == nil; c, err = listener.Accept() {
				calls.Add(1)
				c.Close()
			}
		}()
		return nil
	})
	return &calls
}

// announced is an announcement of a node with this number at an address.
func announced(t *testing.T, i uint64, addr string) []byte {
	t.Helper()
	seed := sha256.Sum256(binary.LittleEndian.AppendUint64(nil, i))
	id := wire.TransportIdentity(record.NewPrivate(seed).Public())
	name := dnsmessage.MustNewName(fmt.Sprintf("x%d._coop-p2p._udp.local.", i))
	head := dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: 1 << 30}
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true}, Additionals: []dnsmessage.Resource{
		{Header: head, Body: &dnsmessage.TXTResource{TXT: []string{"dnsaddr=" + addr + "/p2p/" + peer.ID(id).String()}}},
	}}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// memory returns how much a process holds in memory, in KiB, and how much time of a
// processor it has had, in hundredths of a second.
func memory(t *testing.T, pid int) (rss, ticks int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	rss, err = strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndex(string(stat), ")")+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return rss, user + system
}

// TestAnnouncedElsewhere has a stranger on the cable announce thousands of nodes that
// are not: on the cable, at one place that counts its calls, and behind a router, where
// nobody is called. A newcomer gets in all the same.
func TestAnnouncedElsewhere(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	const flood = 3000
	l := newLAN(t, 3, "v4")
	l.coop(0, "found", "--name", "Willow Street", "--as", "Ana")
	l.up(0)
	l.ip("-n", l.host(1), "addr", "add", "10.99.0.1/32", "dev", "lo")
	l.ip("-n", l.host(0), "route", "add", "10.99.0.0/24", "via", "10.77.0.2")
	l.ip("-n", l.host(1), "route", "add", "224.0.0.0/4", "dev", "lan0")
	near, far := l.counting(1, "10.77.0.2:7777"), l.counting(1, "10.99.0.1:7777")
	var say net.Conn
	l.in(1, func() (err error) {
		say, err = net.Dial("udp", "224.0.0.251:5353")
		return err
	})
	defer say.Close()

	before, ticks := memory(t, l.node[0])
	for i := range uint64(flood) {
		addr := []string{"/ip4/10.99.0.1/tcp/7777", "/ip4/10.77.0.2/tcp/7777", fmt.Sprintf("/ip4/10.77.0.%d/tcp/%d", 10+i%200, 1024+i)}[i%3]
		if _, err := say.Write(announced(t, i, addr)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	l.until("who is announced on the cable is called", func() bool { return near.Load() > 0 })
	code := l.coop(0, "invite")
	l.coop(2, "join", code, "--as", "Bo", "--wait", "60s")
	after, now := memory(t, l.node[0])
	t.Logf("%d announcements: %d MB before, %d MB after, %d ms of a processor; %d calls on the cable",
		flood, before>>10, after>>10, 10*(now-ticks), near.Load())
	if far.Load() > 0 {
		t.Errorf("the stranger made the node call somebody behind a router %d times", far.Load())
	}
	if calls := near.Load(); calls > 16*7*2 {
		t.Errorf("the stranger made the node call %d times", calls)
	}
}
