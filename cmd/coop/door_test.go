package main_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	coop "coop/cmd/coop"
	"coop/crdt/member"
	"coop/node/keys"
	"coop/node/store"
)

// TestSaidInOneLine: the reason of a closed door is a peer's, who may be anybody that
// ever had a code. It does not move the cursor.
func TestSaidInOneLine(t *testing.T) {
	note, failed := coop.Said("closed: go\r\x1b[2Kaway\u009b1A")
	if want := "closed: go [2Kaway1A\n"; note != "  "+want || failed != "✗ "+want {
		t.Errorf("a note says %q, an error %q", note, failed)
	}
	if _, failed = coop.Said("two\nlines"); failed != "✗ two\nlines\n" {
		t.Errorf("of two lines an error says %q", failed)
	}
}

// sniff captures all that passes host 0's end of the cable until the test is
// over. It returns what reads the capture so far.
func (l *lan) sniff() (read func() []byte) {
	l.t.Helper()
	if _, err := exec.LookPath("tcpdump"); err != nil {
		l.t.Skip("there is no tcpdump: install tcpdump")
	}
	file := filepath.Join(l.dir, "capture")
	c := exec.Command("ip", "netns", "exec", l.host(0), "tcpdump", "-i", "lan0", "-U", "-s", "0", "-Z", "root", "-w", file)
	errs, err := c.StderrPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		c.Process.Signal(syscall.SIGINT)
		c.Wait()
	})
	for lines := bufio.NewScanner(errs); lines.Scan() && !strings.Contains(lines.Text(), "listening on"); {
	}
	return func() []byte {
		b, err := os.ReadFile(file)
		if err != nil {
			l.t.Fatal(err)
		}
		return b
	}
}

// ends is who sent a packet over TCP or UDP, and to whom.
type ends struct{ from, to netip.AddrPort }

// packets counts the packets of a capture by their ends.
func packets(t *testing.T, capture []byte) map[ends]int {
	t.Helper()
	const file, packet = 24, 16
	if len(capture) < file || binary.LittleEndian.Uint32(capture) != 0xa1b2c3d4 {
		t.Fatalf("a capture of %d bytes cannot be read", len(capture))
	}
	count := map[ends]int{}
	for b := capture[file:]; len(b) >= packet; {
		n := int(binary.LittleEndian.Uint32(b[8:]))
		if len(b) < packet+n {
			break
		}
		if e, ok := endsOf(b[packet : packet+n]); ok {
			count[e]++
		}
		b = b[packet+n:]
	}
	return count
}

// endsOf reads the ends of an Ethernet frame: IPv4, or IPv6 without further
// headers, with TCP or UDP in it. Two nodes of one network may use either.
func endsOf(frame []byte) (ends, bool) {
	const ethernet, v4, v6, ports, tcp, udp = 14, 20, 40, 4, 6, 17
	if len(frame) < ethernet+v4+ports {
		return ends{}, false
	}
	var next byte
	var from, to netip.Addr
	var at int
	switch ip := frame[ethernet:]; binary.BigEndian.Uint16(frame[ethernet-2:]) {
	case 0x0800:
		next, from, to, at = ip[9], netip.AddrFrom4([4]byte(ip[12:16])), netip.AddrFrom4([4]byte(ip[16:20])), int(ip[0]&15)*4
	case 0x86dd:
		if len(ip) < v6 {
			return ends{}, false
		}
		next, from, to, at = ip[6], netip.AddrFrom16([16]byte(ip[8:24])), netip.AddrFrom16([16]byte(ip[24:40])), v6
	}
	if p := ethernet + at; (next == tcp || next == udp) && len(frame) >= p+ports {
		return ends{
			netip.AddrPortFrom(from, binary.BigEndian.Uint16(frame[p:])),
			netip.AddrPortFrom(to, binary.BigEndian.Uint16(frame[p+2:])),
		}, true
	}
	return ends{}, false
}

// refused runs a command on host 1 in a home of its own, which must end with an
// exit status and say why.
func (l *lan) refused(home string, status int, why string, args ...string) {
	l.t.Helper()
	var errs bytes.Buffer
	c := exec.Command("ip", append([]string{"netns", "exec", l.host(1), l.program, "--home", filepath.Join(l.dir, home)}, args...)...)
	c.Stderr = &errs
	err := c.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != status {
		l.t.Errorf("%s: the command ends with %v, want status %d\n%s", home, err, status, &errs)
	}
	last := strings.TrimSpace(errs.String())
	last = last[strings.LastIndex(last, "✗")+1:]
	if !strings.Contains(last, why) {
		l.t.Errorf("%s: the command ends with %q, want %q in it", home, last, why)
	}
}

// holdsNothing looks into a home whose owner was never let in.
func (l *lan) holdsNothing(home string, secrets ...string) {
	l.t.Helper()
	dir := filepath.Join(l.dir, home)
	h, err := keys.Open(dir)
	if err != nil {
		l.t.Fatal(err)
	}
	s, err := store.Open(h.StoreDir())
	if err != nil {
		l.t.Fatal(err)
	}
	held := 0
	if err := s.Headers(func(int, store.Raw) error { held++; return nil }); err != nil || held > 0 {
		l.t.Errorf("%s holds %d records, %v", home, held, err)
	}
	s.Close()
	h.Close()
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, secret := range secrets {
			if bytes.Contains(b, []byte(secret)) {
				l.t.Errorf("%s has %q in %s", home, secret, path)
			}
		}
		return err
	})
	if err != nil {
		l.t.Error(err)
	}
}

// TestClosedDoor listens on the cable between a co-op's nodes and two homes that
// nobody let in: one knows where a node is and not the network secret, the other
// has a code that somebody else used up. Neither gets anything, and who listens
// reads nothing, neither of them nor of the members who do sync.
func TestClosedDoor(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	const (
		coopName, ana, bo = "Zinnia Orchard", "Quillonia", "Brambleworth"
		offer, need       = "Heirloom gooseberries", "Ladder for tall trees"
		marker            = "a marker that anybody can read"
		pending           = 8
	)
	l := newLAN(t, 2, "v4", "v6")
	read := l.sniff()
	l.coop(0, "found", "--name", coopName, "--as", ana, "--device", "anvil-laptop")
	l.up(0)
	code := l.coop(0, "invite", "--uses", "1")
	l.coop(1, "join", code, "--as", bo, "--wait", "60s")
	l.up(1)
	l.coop(0, "listing", "add", "--offer", "--title", offer)
	l.coop(1, "listing", "add", "--need", "--title", need)
	l.until("both nodes have both listings", func() bool {
		a, b := l.coop(0, "listing", "list"), l.coop(1, "listing", "list")
		return strings.Contains(a, need) && strings.Contains(b, offer)
	})

	invite, err := member.ParseInvite(code)
	if err != nil {
		t.Fatal(err)
	}
	if len(invite.Addrs) == 0 {
		t.Fatal("the code carries no address")
	}
	guess := invite
	guess.Secret, guess.Seed = sha256.Sum256([]byte("guessed")), sha256.Sum256([]byte("made up"))
	l.refused("stranger", pending, "does not know the co-op's network secret", "join", guess.String(), "--as", "Mallory", "--wait", "5s")
	l.holdsNothing("stranger", offer, need, ana, bo, "anvil-laptop")
	l.refused("late", pending, "used up", "join", code, "--as", "Trudy", "--wait", "5s")
	l.holdsNothing("late", offer, need, ana, bo, "anvil-laptop")
	if got := l.coop(0, "member", "list"); strings.Contains(got, "Mallory") || strings.Contains(got, "Trudy") {
		t.Errorf("the members are %q", got)
	}

	send := exec.Command("ip", "netns", "exec", l.host(1), "bash", "-c", "echo '"+marker+"' >/dev/udp/10.77.0.1/9")
	if out, err := send.CombinedOutput(); err != nil {
		t.Fatalf("send the marker: %v %s", err, out)
	}
	var status struct{ Addrs []string }
	if err := json.Unmarshal([]byte(l.coop(0, "status", "--json")), &status); err != nil {
		t.Fatal(err)
	}
	var capture []byte
	l.until("the capture sees what was sent in clear, after all else", func() bool {
		capture = read()
		return bytes.Contains(capture, []byte(marker))
	})
	listens := func(at netip.AddrPort) bool {
		return slices.ContainsFunc(status.Addrs, func(a string) bool {
			host := "/ip4/"
			if at.Addr().Is6() {
				host = "/ip6/"
			}
			return strings.HasPrefix(a, fmt.Sprintf("%s%s/tcp/%d/", host, at.Addr(), at.Port())) || strings.HasPrefix(a, fmt.Sprintf("%s%s/udp/%d/", host, at.Addr(), at.Port()))
		})
	}
	var out, in, mdns int
	for e, n := range packets(t, capture) {
		switch {
		case e.to.Port() == 5353:
			mdns += n
		case listens(e.from):
			out += n
		case listens(e.to):
			in += n
		}
	}
	t.Logf("%d bytes, %d packets from the node, %d to it, %d of mDNS", len(capture), out, in, mdns)
	if out < 20 || in < 20 || mdns < 2 || !bytes.Contains(capture, []byte("_coop-p2p")) {
		t.Errorf("the capture saw %d packets from the node, %d to it, %d of mDNS: it shows nothing", out, in, mdns)
	}
	readable := bytes.ToLower(capture)
	for _, secret := range []string{
		coopName, "zinnia", ana, bo, offer, "gooseberries", need, "Mallory", "Trudy", "anvil-laptop",
		string(invite.Coop[:]), invite.Coop.String(), string(invite.Secret[:]), string(guess.Secret[:]), code, "listing/", "doc/create",
	} {
		if bytes.Contains(capture, []byte(secret)) || bytes.Contains(readable, bytes.ToLower([]byte(secret))) {
			t.Errorf("who listens on the cable reads %q", secret)
		}
	}
}
