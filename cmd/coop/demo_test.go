package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program returns the path of the program under test.
func program(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("coop")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// demoIn returns the demo, which may leave nothing in dir.
func demoIn(t *testing.T, dir string, args ...string) *exec.Cmd {
	c := exec.Command(program(t), append([]string{"demo"}, args...)...)
	c.Env = append(os.Environ(), "TMPDIR="+dir, "XDG_RUNTIME_DIR="+dir, "HOME=/no-home")
	return c
}

// wantNothingLeft fails where files or processes are left of a demo in dir.
func wantNothingLeft(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("the demo left %v, %v", left, err)
	}
	commands, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range commands {
		if line, err := os.ReadFile(path); err == nil && bytes.Contains(line, []byte(dir)) {
			t.Errorf("the demo left a process: %q", line)
		}
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	out, err := demoIn(t, dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	digests := map[string]bool{}
	lines := regexp.MustCompile(`(?m)^ +(ana|bo|chi|phone) +([0-9a-f]{64})  [0-9]+ records$`).FindAllStringSubmatch(string(out), -1)
	for _, l := range lines {
		digests[l[2]] = true
	}
	if len(lines) != 4 || len(digests) != 1 {
		t.Errorf("%d nodes told %d digests, want 4 that are equal:\n%s", len(lines), len(digests), out)
	}
	if !strings.HasSuffix(string(out), "The same to the last byte, and nobody's server was asked.\n") {
		t.Errorf("the story has another end:\n%s", out)
	}
	wantNothingLeft(t, dir)
}

func TestDemoJSON(t *testing.T) {
	if testing.Short() {
		t.Skip("TestDemo tells the same story")
	}
	t.Parallel()
	dir := shortDir(t)
	c := demoIn(t, dir, "--json")
	var story bytes.Buffer
	c.Stderr = &story
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &story)
	}
	var told struct {
		V     int
		Nodes []struct {
			Name, Digest string
			Records      int
		}
	}
	if err := json.Unmarshal(out, &told); err != nil {
		t.Fatalf("%v: %q", err, out)
	}
	if told.V != 1 || len(told.Nodes) != 4 {
		t.Fatalf("got %+v, want version 1 and 4 nodes", told)
	}
	for _, n := range told.Nodes {
		if n.Digest != told.Nodes[0].Digest || len(n.Digest) != 64 || n.Records == 0 || n.Records != told.Nodes[0].Records {
			t.Errorf("%s shows %+v, %s %+v", n.Name, n, told.Nodes[0].Name, told.Nodes[0])
		}
	}
	if !strings.Contains(story.String(), "The same to the last byte") {
		t.Errorf("the story was not told:\n%s", &story)
	}
	wantNothingLeft(t, dir)
}

// TestDemoInterrupted stops the demo while nodes run.
func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	c := demoIn(t, dir)
	interruptAfter(t, c, "3. Bo and Chi are associates")
	wantNothingLeft(t, dir)
}

// interruptAfter starts a command, presses Ctrl-C when it has printed text, and
// wants the exit status of an interrupted one.
func interruptAfter(t *testing.T, c *exec.Cmd, text string) {
	t.Helper()
	reader, writer := io.Pipe()
	c.Stdout, c.Stderr = writer, writer
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- c.Wait()
		writer.Close()
	}()
	printed, pressed := "", false
	for s := bufio.NewScanner(reader); s.Scan(); {
		printed += s.Text() + "\n"
		if !pressed && strings.Contains(s.Text(), text) {
			pressed = true
			if err := c.Process.Signal(syscall.SIGINT); err != nil {
				t.Error(err)
			}
			time.AfterFunc(waitMax, func() { _ = c.Process.Kill() })
		}
	}
	var exit *exec.ExitError
	if err := <-done; !pressed || !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Errorf("interrupted after %q (printed: %v) it ended with %v, want exit status 130:\n%s", text, pressed, err, printed)
	}
}

// TestInterrupted presses Ctrl-C on commands that go on until then.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	coop := func(args ...string) *exec.Cmd {
		c := exec.Command(program(t), args...)
		c.Env = append(os.Environ(), "COOP_HOME="+filepath.Join(dir, "ana"))
		return c
	}
	run := func(args ...string) string {
		out, err := coop(args...).Output()
		if err != nil {
			t.Fatalf("coop %s: %v", strings.Join(args, " "), err)
		}
		return strings.TrimSpace(string(out))
	}
	run("found", "--name", "Willow Street", "--as", "Ana", "--quiet")
	code := run("invite")
	interruptAfter(t, coop("--home", filepath.Join(dir, "bo"), "join", code, "--as", "Bo", "--no-mdns", "--listen", "127.0.0.1:0"), "waiting for somebody")
	node := coop("up", "--no-mdns", "--listen", "127.0.0.1:0")
	if err := start(node); err != nil {
		t.Fatal(err)
	}
	defer stop(node)
	interruptAfter(t, coop("log", "--follow"), "coop/found")
	interruptAfter(t, coop("log", "--follow", "--json"), "coop/found")
}

// TestSecondSignal takes a node's home away, as who pulls out a disk does. It
// cannot save what it held then, and ends at a second signal.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	home := filepath.Join(shortDir(t), "ana")
	if out, err := exec.Command(program(t), "--home", home, "found", "--name", "X", "--as", "Ana").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	node := exec.Command(program(t), "--home", home, "up", "--no-mdns", "--listen", "127.0.0.1:0")
	if err := start(node); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(program(t), "--home", home, "listing", "add", "--offer", "--title", "Eggs").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.RemoveAll(home); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- node.Wait() }()
	again, end := time.NewTicker(100*time.Millisecond), time.After(waitMax)
	defer again.Stop()
	for {
		select {
		case <-ended:
			return
		case <-again.C:
			_ = node.Process.Signal(syscall.SIGTERM)
		case <-end:
			_ = node.Process.Kill()
			t.Fatal("the node does not end")
		}
	}
}
