package main_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// lan is two hosts of the test's own, in network namespaces, with a cable
// between them and no way anywhere else.
type lan struct {
	t       *testing.T
	program string
	dir     string
}

func newLAN(t *testing.T) *lan {
	if os.Geteuid() != 0 {
		t.Skip("making network namespaces takes root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("there is no ip: install iproute2")
	}
	// The path of a home holds a socket, which must be short.
	dir, err := os.MkdirTemp("", "lan")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l := &lan{t: t, program: program(t), dir: dir}
	t.Cleanup(func() {
		for i := range 2 {
			exec.Command("ip", "netns", "del", l.host(i)).Run()
		}
	})
	for i := range 2 {
		if out, err := exec.Command("ip", "netns", "add", l.host(i)).CombinedOutput(); err != nil {
			t.Skipf("this machine makes no network namespace: %v %s", err, out)
		}
	}
	l.ip("link", "add", "veth0", "netns", l.host(0), "type", "veth", "peer", "name", "veth0", "netns", l.host(1))
	for i := range 2 {
		l.ip("-n", l.host(i), "addr", "add", fmt.Sprintf("10.77.0.%d/24", i+1), "dev", "veth0")
		l.ip("-n", l.host(i), "link", "set", "lo", "up")
		l.ip("-n", l.host(i), "link", "set", "veth0", "up")
	}
	return l
}

func (l *lan) host(i int) string { return fmt.Sprintf("coop-test-%d-%d", os.Getpid(), i) }

func (l *lan) ip(args ...string) {
	l.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		l.t.Fatalf("ip %s: %v %s", strings.Join(args, " "), err, out)
	}
}

func (l *lan) command(i int, args ...string) *exec.Cmd {
	home := filepath.Join(l.dir, fmt.Sprint(i))
	return exec.Command("ip", append([]string{"netns", "exec", l.host(i), l.program, "--home", home}, args...)...)
}

// coop runs a command on a host and returns what it answers.
func (l *lan) coop(i int, args ...string) string {
	l.t.Helper()
	var errs bytes.Buffer
	c := l.command(i, args...)
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		l.t.Fatalf("host %d: coop %s: %v\n%s", i, strings.Join(args, " "), err, &errs)
	}
	return strings.TrimSpace(string(out))
}

// up runs a node on a host until the test is over.
func (l *lan) up(i int) {
	l.t.Helper()
	c := l.command(i, "up")
	out, err := c.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		c.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasPrefix(line, "ready") {
		l.t.Fatalf("host %d: node not ready: %q %v", i, line, err)
	}
}

func (l *lan) until(what string, done func() bool) {
	l.t.Helper()
	for end := time.Now().Add(60 * time.Second); !done(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatalf("not within a minute: %s", what)
		}
	}
}

// TestLocalNetwork has two computers find each other on a cable with no
// internet: the code carries no address. It cuts the cable and mends it.
func TestLocalNetwork(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	l := newLAN(t)
	l.coop(0, "found", "--name", "Willow Street", "--as", "Ana")
	code := l.coop(0, "invite")
	l.up(0)
	l.coop(1, "join", code, "--as", "Bo", "--wait", "60s")
	l.up(1)
	l.until("both hold the same", func() bool { return strings.Contains(l.coop(0, "status"), "up to date with 1 peer") })

	l.ip("-n", l.host(0), "link", "set", "veth0", "down")
	l.coop(1, "listing", "add", "--offer", "--title", "Eggs")
	if got := l.coop(0, "listing", "list"); got != "" {
		t.Errorf("over a cut cable came %q", got)
	}
	l.ip("-n", l.host(0), "link", "set", "veth0", "up")
	l.until("the listing arrives once the cable is mended", func() bool { return strings.Contains(l.coop(0, "listing", "list"), "Eggs") })
}
