package main_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestKnocks: somebody at the members' own address calls Ana's node dozens of times a
// second. With her code Bo joins all the same, and his node meets hers.
func TestKnocks(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making network namespaces takes root")
	}
	dir, program, host := shortDir(t), program(t), fmt.Sprintf("coop-knocks-%d", os.Getpid())
	if out, err := exec.Command("ip", "netns", "add", host).CombinedOutput(); err != nil {
		t.Skipf("this machine makes no network namespace: %v %s", err, out)
	}
	t.Cleanup(func() { exec.Command("ip", "netns", "del", host).Run() })
	inside := func(args ...string) *exec.Cmd {
		return exec.Command("ip", append([]string{"netns", "exec", host}, args...)...)
	}
	run := func(args ...string) string {
		t.Helper()
		out, err := inside(args...).Output()
		if err != nil {
			t.Fatalf("%s: %v", strings.Join(args, " "), err)
		}
		return strings.TrimSpace(string(out))
	}
	begin := func(args ...string) (says *bufio.Reader) {
		t.Helper()
		c := inside(args...)
		out, err := c.StdoutPipe()
		if err == nil {
			err = c.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			c.Process.Signal(syscall.SIGTERM)
			c.Wait()
		})
		return bufio.NewReader(out)
	}
	run("ip", "link", "set", "lo", "up")
	run("ip", "addr", "add", "10.0.0.1/32", "dev", "lo") // libp2p makes exceptions for loopback's own
	ana, bo := filepath.Join(dir, "ana"), filepath.Join(dir, "bo")
	run(program, "--home", ana, "found", "--name", "Mill", "--as", "Ana", "--device", "a", "--unit", "hour:2", "--quiet")
	if line, err := begin(program, "--home", ana, "up", "--listen", "/ip4/10.0.0.1/tcp/22020", "--no-mdns").ReadString('\n'); err != nil || !strings.HasPrefix(line, "ready") {
		t.Fatalf("the node is not ready: %q %v", line, err)
	}
	knocks := begin("bash", "-c", "for i in {1..20000}; do (exec 3<>/dev/tcp/10.0.0.1/22020) && echo $i; sleep 0.02; done")
	for range 100 {
		if _, err := knocks.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	go io.Copy(io.Discard, knocks) // it goes on
	code := run(program, "--home", ana, "invite", "--quiet")
	run(program, "--home", bo, "join", code, "--as", "Bo", "--device", "b", "--listen", "/ip4/10.0.0.1/tcp/22021", "--no-mdns", "--wait", "60s")
}
