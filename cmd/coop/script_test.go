package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	coop "coop/cmd/coop"
)

// waitMax bounds every wait for what nodes do by themselves.
const waitMax = 30 * time.Second

// TestMain makes of this test binary the program as well: "coop" in a script is
// a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(inRunDir{m}, map[string]func(){"coop": func() { os.Exit(coop.Run()) }})
}

// inRunDir has the homes of these tests keep in a folder of their own what must not
// outlive the machine's run.
type inRunDir struct{ testscript.TestingM }

func (m inRunDir) Run() int {
	dir, err := os.MkdirTemp("", "run")
	if err == nil {
		err = os.Setenv("XDG_RUNTIME_DIR", dir)
	}
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	return m.TestingM.Run()
}

// TestScripts plays testdata/script. Beside testscript's own, scripts have these
// commands:
//
//	exits STATUS PROGRAM ARGS…     run it, and want that exit status
//	until PATTERN PROGRAM ARGS…    run it again until it prints that
//	field [-stderr] PATH [VALUE]   the last output is JSON and has a field
//	                               a.0.b, and if VALUE is given, with that value
//	save NAME [PATH]               set a variable to the last output, or to a
//	                               field of it
//	up HOME ARGS…                  run the node of a home until the script ends
//	willow                         Ana's and Bo's nodes run, both are members
//	twin NAME                      set a variable to the shortest beginning that
//	                               two of the ids in the last output share
//
// COOP_HOME is the home of ana, --home bo that of Bo; LONG is too long for a name
// or a title.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:         "testdata/script",
		WorkdirRoot: shortDir(t),
		Setup: func(e *testscript.Env) error {
			e.Setenv("COOP_HOME", filepath.Join(e.WorkDir, "ana"))
			e.Setenv("XDG_RUNTIME_DIR", os.Getenv("XDG_RUNTIME_DIR"))
			e.Setenv("LONG", strings.Repeat("x", 201))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "until": until, "field": field, "save": save, "up": up, "willow": willow, "twin": twin,
		},
	})
}

// shortDir returns a folder for homes: the path of a node's socket must be
// short.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "coop")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := statusOf(ts, ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("exit status is %d, want %d", got, want)
	}
}

func statusOf(ts *testscript.TestScript, err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	ts.Check(err)
	return 0
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN PROGRAM ARGS…")
	}
	pattern, err := regexp.Compile(`(?m)` + args[0])
	ts.Check(err)
	for end := time.Now().Add(waitMax); ; time.Sleep(20 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil && pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s did not print %q within %s (%v)", args[1], args[0], waitMax, err)
		}
	}
}

// lookup returns a field of the JSON in text.
func lookup(text, path string) (any, error) {
	var v any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("the output is no JSON: %w: %q", err, text)
	}
	if d.More() {
		return nil, fmt.Errorf("the output is more than one JSON value: %q", text)
	}
	for name := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			member, ok := at[name]
			if !ok {
				return nil, fmt.Errorf("there is no field %q of %q", name, path)
			}
			v = member
		case []any:
			if name == "len" {
				return json.Number(strconv.Itoa(len(at))), nil
			}
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(at) {
				return nil, fmt.Errorf("there is no element %q of %q, which has %d", name, path, len(at))
			}
			v = at[i]
		default:
			return nil, fmt.Errorf("%q: %v has no fields", path, v)
		}
	}
	return v, nil
}

func field(ts *testscript.TestScript, neg bool, args []string) {
	from := "stdout"
	if len(args) > 0 && args[0] == "-stderr" {
		from, args = "stderr", args[1:]
	}
	if len(args) != 1 && len(args) != 2 {
		ts.Fatalf("usage: field [-stderr] PATH [VALUE]")
	}
	got, err := lookup(ts.ReadFile(from), args[0])
	if neg != (err != nil) {
		ts.Fatalf("field %s: %v, %v", args[0], got, err)
	}
	if err == nil && len(args) == 2 && fmt.Sprint(got) != args[1] {
		ts.Fatalf("field %s is %q, want %q", args[0], fmt.Sprint(got), args[1])
	}
}

func save(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: save NAME [PATH]")
	}
	text := strings.TrimSpace(ts.ReadFile("stdout"))
	if len(args) == 2 {
		v, err := lookup(text, args[1])
		ts.Check(err)
		text = fmt.Sprint(v)
	}
	if text == "" {
		ts.Fatalf("there is nothing to save")
	}
	ts.Setenv(args[0], text)
}

func up(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: up HOME ARGS…")
	}
	home := ts.MkAbs(args[0])
	program, err := exec.LookPath("coop")
	ts.Check(err)
	c := exec.Command(program, append([]string{"--home", home, "up", "--listen", "127.0.0.1:0", "--no-mdns"}, args[1:]...)...)
	c.Env = append(os.Environ(), "HOME=/no-home", "TMPDIR="+ts.Getenv("TMPDIR"))
	ts.Check(start(c))
	ts.Defer(func() { stop(c) })
}

// start starts a node and returns when it is ready.
func start(c *exec.Cmd) error {
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil && strings.HasPrefix(line, "ready") {
		return nil
	}
	stop(c)
	return fmt.Errorf("the node is not ready: %q, %v\n%s", line, err, &errs)
}

// stop ends a node as a person would, and waits for it. One that is gone
// already cannot be told to go.
func stop(c *exec.Cmd) {
	_ = c.Process.Signal(syscall.SIGTERM)
	_ = c.Wait()
}

// willow founds a co-op of two members, whose nodes run and know each other.
func willow(ts *testscript.TestScript, neg bool, args []string) {
	do := func(args ...string) string {
		if err := ts.Exec("coop", args...); err != nil {
			ts.Fatalf("coop %s: %v", strings.Join(args, " "), err)
		}
		return strings.TrimSpace(ts.ReadFile("stdout"))
	}
	do("found", "--name", "Willow Street", "--as", "Ana", "--device", "laptop", "--unit", "hour", "--unit", "euro")
	up(ts, false, []string{"ana"})
	do("--home", "bo", "join", do("invite"), "--as", "Bo", "--device", "desk", "--wait", waitMax.String(), "--no-mdns", "--listen", "127.0.0.1:0")
	up(ts, false, []string{"bo"})
	do("vote", do("member", "propose", "Bo"), "yes")
	until(ts, false, []string{`you +Bo, member`, "coop", "--home", "bo", "status"})
}

func twin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: twin NAME")
	}
	const minPrefix = 4
	seen := map[string]bool{}
	for id := range strings.FieldsSeq(ts.ReadFile("stdout")) {
		if begin := id[:minPrefix]; seen[begin] {
			ts.Setenv(args[0], begin)
			return
		} else {
			seen[begin] = true
		}
	}
	ts.Fatalf("no two of %d ids begin alike", len(seen))
}
