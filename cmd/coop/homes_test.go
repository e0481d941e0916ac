package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"coop/node/keys"
)

// suffering is a home that suffers: of a co-op in which Ana founded, Bo is a member and
// has a second computer, and Chi keeps the minutes with Ana. Eve's node runs on.
type suffering struct {
	harm
	*settled
	is, home, device, owner string
	goes                    *[]string // the commands of the way on
}

// settled is the co-op of the homes that suffer, which are all on one small disk.
type settled struct {
	small bool              // false: this machine mounts none
	words map[string]string // of Ana, Bo and Chi, by home
}

// damages are the harms of the table in docs/cli.md: each is done, is seen as the
// table says, and mended as it says.
var damages = map[string]func(h suffering, sees string){
	"the folder `store` is lost":         suffering.storeLost,
	"the folder `store` is an old one":   suffering.storeOld,
	"the home was copied":                suffering.copied,
	"the home was moved to another disk": suffering.moved,
	"the file `secrets` is damaged":      suffering.secretsDamaged,
	"the file `secrets` is lost":         suffering.secretsLost,
	"the disk is full":                   suffering.diskFull,
	"the disk is read-only":              suffering.diskReadOnly,
}

// TestDamagedHomes does each harm of the table in docs/cli.md to a home of each kind,
// wants what the table says one sees, and that all is back after the way on it names.
func TestDamagedHomes(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	row := regexp.MustCompile("(?m)^\\| (the [^|]+) \\| `([^`]+)` \\| ([^|]+) \\|$")
	rows := row.FindAllStringSubmatch(read(t, "docs/cli.md"), -1)
	if len(rows) != len(damages) {
		t.Fatalf("the table has %d rows, and there are %d harms", len(rows), len(damages))
	}
	for _, r := range rows {
		what, sees, way := r[1], r[2], r[3]
		do := damages[what]
		if do == nil {
			t.Fatalf("nobody does this harm: %s", what)
		}
		t.Run(what, func(t *testing.T) {
			base, all := settle(t)
			for _, h := range []suffering{
				{is: "founder", home: "a", device: "a-pc", owner: "a"}, {is: "member", home: "b", device: "b-pc", owner: "b"},
				{is: "second computer", home: "s", device: "s-pc", owner: "b"}, {is: "teller", home: "c", device: "c-pc", owner: "c"},
			} {
				t.Run(h.is, func(t *testing.T) {
					h.harm, h.settled, h.goes = base, all, &[]string{}
					h.harm.t = t
					h.suffers(func() { do(h, sees) })
					h.wentAll(way)
				})
			}
		})
	}
}

// wentAll wants that all commands of the way on were gone.
func (h suffering) wentAll(way string) {
	for _, m := range regexp.MustCompile("`coop ([^`A-Z]+)").FindAllStringSubmatch(way, -1) {
		if !slices.ContainsFunc(*h.goes, func(c string) bool { return strings.HasPrefix(c+" ", strings.TrimSpace(m[1])+" ") }) {
			h.t.Errorf("the way on is `coop %s`, and it was not gone: %q", m[1], *h.goes)
		}
	}
}

// settle makes the co-op. Of all nodes only Eve's runs then.
func settle(t *testing.T) (harm, *settled) {
	program := filepath.Join(t.TempDir(), "coop")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	h, all := harm{t, shortDir(t), program}, &settled{words: map[string]string{}}
	if err := mountSmall(h.dir, "320m"); err == nil {
		all.small = true
		t.Cleanup(func() { unmount(h.dir) })
	}
	if err := os.Symlink(shortDir(t), h.home("e")); err != nil { // on another disk
		t.Fatal(err)
	}
	join := func(home, code, as, device string) string {
		out := h.coop(home, "join", code, "--as", as, "--device", device, "--listen", "127.0.0.1:0", "--no-mdns", "--wait", "20s")
		h.up(home)
		return out
	}
	all.words["a"] = h.coop("a", "found", "--name", "Willow Street", "--as", "Ana", "--device", "a-pc")
	h.up("a")
	for _, p := range [][2]string{{"e", "Eve"}, {"b", "Bo"}, {"c", "Chi"}} {
		all.words[p[0]] = join(p[0], h.coop("a", "invite", "--quiet"), p[1], p[0]+"-pc")
	}
	join("s", h.coop("b", "device", "invite", "--quiet"), "s-pc", "")
	for _, effect := range []string{"members:Bo,Chi,Eve", "tellers:Ana,Chi"} {
		id := h.coop("a", "proposal", "open", "--title", "So be it", "--effect", effect, "--quiet")
		for _, home := range []string{"a", "b", "c"} {
			h.until("the proposal has come", func() bool {
				_, errs, status := h.try(home, "vote", id, "yes")
				return status == 0 || strings.Contains(errs, "passed") || home != "a" && effect[0] == 'm'
			})
		}
	}
	h.until("two keep the minutes", func() bool { return strings.Count(h.coop("a", "tellers", "--json"), `"member"`) >= 2 })
	h.coop("a", "invite", "--quiet") // an act for the new tellers
	for _, home := range []string{"b", "c", "s", "a"} {
		h.coop(home, "sync", h.status("e").Addrs[0]) // which each remembers
		h.equal(home, "e")
	}
	for _, home := range []string{"a", "b", "c", "s"} {
		h.coop(home, "down")
	}
	return h, all
}

// suffers has the home write something that Eve comes to hold, suffer, and write again:
// nothing may be lost.
func (h suffering) suffers(harm func()) {
	h.t.Helper()
	h.up(h.home)
	before := h.coop(h.home, "listing", "add", "--offer", "--title", "Before", "--quiet")
	h.equal(h.home, "e")
	h.coop(h.home, "down")
	harm()
	if !slices.Contains(*h.goes, "up") {
		h.way("up")
	}
	var after string
	h.until("it writes again", func() bool {
		out, _, status := h.try(h.home, "listing", "add", "--offer", "--title", "After", "--quiet")
		after = out
		return status == 0
	})
	h.equal(h.home, "e")
	list := h.coop("e", "listing", "list", "--quiet")
	if !strings.Contains(list, before) || !strings.Contains(list, after) {
		h.t.Errorf("not all that %s wrote is there", h.home)
	}
	if trouble := h.coop("e", "trouble"); trouble != "" {
		h.t.Errorf("trouble: %s", trouble)
	}
	h.coop(h.home, "down")
}

// way goes a part of the way on.
func (h suffering) way(args ...string) string {
	h.t.Helper()
	*h.goes = append(*h.goes, strings.Join(args, " "))
	if args[0] == "up" {
		h.up(h.home)
		return ""
	}
	return h.coop(h.home, args...)
}

// seen wants that people are told, and that nothing can be written.
func (h suffering) seen(what string) {
	h.t.Helper()
	out, errs, _ := h.try(h.home, "status")
	if !strings.Contains(out+errs, what) || strings.Contains(out, "not admitted") {
		h.t.Errorf("coop status does not say %q: %s%s", what, out, errs)
	}
	if _, errs, status := h.try(h.home, "listing", "add", "--offer", "--title", "Meanwhile"); status == 0 || !strings.Contains(errs, what) {
		h.t.Errorf("it writes meanwhile, or does not say %q: exit status %d: %s", what, status, errs)
	}
}

func (h suffering) file(name string) string { return filepath.Join(h.harm.home(h.home), name) }

// sh runs a command of the system.
func (h suffering) sh(args ...string) {
	h.t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		h.t.Fatalf("%q: %v %s", args, err, out)
	}
}

func (h suffering) storeLost(sees string) {
	h.sh("rm", "-r", h.file("store"))
	h.seen(sees)
	h.way("up")
}

func (h suffering) storeOld(sees string) {
	old := h.harm.home("old-store")
	h.sh("cp", "-a", "--sparse=always", h.file("store"), old)
	h.up(h.home)
	h.coop(h.home, "listing", "add", "--offer", "--title", "Between", "--quiet")
	h.equal(h.home, "e")
	h.coop(h.home, "down")
	h.sh("rm", "-r", h.file("store"))
	h.sh("mv", old, h.file("store"))
	h.seen(sees)
	h.way("up")
}

func (h suffering) copied(sees string) {
	h.replaceByCopy()
	h.seen(sees)
	h.way("up")
	h.until("a peer was asked", func() bool { return strings.Contains(h.status(h.home).Hint, "knows of nothing that is not here") })
	h.seen(sees)
	h.way("device", "trust", "--yes")
}

func (h suffering) moved(sees string) {
	h.replaceByCopy()
	h.seen(sees)
	h.way("device", "trust", "--yes")
}

func (h suffering) replaceByCopy() {
	h.copyHome(h.home, "copy")
	h.sh("rm", "-r", h.harm.home(h.home))
	h.sh("mv", h.harm.home("copy"), h.harm.home(h.home))
}

// keepsSecrets keeps a copy of the secrets, and has them change since.
func (h suffering) keepsSecrets() (copied string) {
	copied = h.harm.home("kept-secrets")
	h.sh("cp", "-p", h.file("secrets"), copied)
	home, err := keys.Open(h.harm.home(h.home))
	if err == nil {
		err = home.SetPort(home.Secrets().Port + 1)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	home.Close()
	return copied
}

func (h suffering) secretsDamaged(sees string) {
	copied := h.keepsSecrets()
	b, err := os.ReadFile(h.file("secrets"))
	if err != nil {
		h.t.Fatal(err)
	}
	at := bytes.Index(b, []byte(`"network": "`)) + 20
	b[at] = map[bool]byte{true: '1', false: '0'}[b[at] == '0']
	if err := os.WriteFile(h.file("secrets"), b, 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.seen(sees)
	h.sh("mv", copied, h.file("secrets"))
	h.way("up")
}

func (h suffering) secretsLost(sees string) {
	copied := h.keepsSecrets()
	h.sh("rm", h.file("secrets"))
	h.seen(sees)
	if _, errs, status := h.try(h.home, "found", "--name", "X", "--as", "Ana"); status != 1 || !strings.Contains(errs, sees) {
		h.t.Errorf("something is begun beside the records: exit status %d: %s", status, errs)
	}
	h.sh("mv", copied, h.file("secrets"))
	h.way("up")
	h.equal(h.home, "e")
	h.coop(h.home, "down")

	// There is no copy of them: another computer takes its place.
	h.sh("mv", h.harm.home(h.home), h.harm.home(h.home+"-lost"))
	*h.goes = append(*h.goes, "join - --as")
	code := h.coop("e", "member", "recover", map[string]string{"a": "Ana", "b": "Bo", "c": "Chi"}[h.owner], "--quiet")
	c := exec.Command(h.program, "--home", h.harm.home(h.home), "join", "-", "--as", h.device+"-2", "--words", "-",
		"--listen", "127.0.0.1:0", "--no-mdns", "--wait", "20s")
	c.Stdin = strings.NewReader(code + "\n" + h.words[h.owner] + "\n")
	if out, err := c.CombinedOutput(); err != nil {
		h.t.Fatalf("join with the words: %v\n%s", err, out)
	}
	h.way("up")
	args := []string{"device", "revoke", h.device}
	if h.home == h.owner && h.home != "b" { // it keeps the minutes
		args = append(args, "--seat-to", h.device+"-2")
	}
	h.way(args...)
}

// needsDisk skips where there is no small disk.
func (h suffering) needsDisk() {
	if !h.small {
		h.t.Skip("this machine mounts no small disk")
	}
}

// onlyRead wants that all can be read, no node runs, and people are told why.
func (h suffering) onlyRead(sees string) {
	h.t.Helper()
	h.seen(sees)
	list, errs, status := h.try(h.home, "listing", "list", "--quiet")
	if status != 0 || list == "" || list != h.coop("e", "listing", "list", "--quiet") {
		h.t.Errorf("what is there cannot be read: exit status %d: %s", status, errs)
	}
	if _, errs, status := h.try(h.home, "up", "--listen", "127.0.0.1:0", "--no-mdns"); status != 1 || !strings.Contains(errs, sees) {
		h.t.Errorf("coop up: exit status %d: %s", status, errs)
	}
}

func (h suffering) diskFull(sees string) {
	h.needsDisk()
	ballast := h.harm.home("ballast")
	var free syscall.Statfs_t
	if err := syscall.Statfs(h.dir, &free); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(ballast, make([]byte, int64(free.Bavail)*free.Bsize), 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.onlyRead(sees)
	h.sh("rm", ballast)
}

func (h suffering) diskReadOnly(sees string) {
	h.needsDisk()
	h.remount(true)
	h.onlyRead(sees)
	h.remount(false)
}

func (h suffering) remount(readOnly bool) {
	h.t.Helper()
	if err := remount(h.dir, readOnly); err != nil {
		h.t.Fatal(err)
	}
}

// TestInTurn: a node that is started while another command has its home open waits
// for it.
func TestInTurn(t *testing.T) {
	program := filepath.Join(t.TempDir(), "coop")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	h := harm{t, shortDir(t), program}
	h.found("a", 0)
	home, err := keys.Open(h.home("a"))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		time.Sleep(time.Second)
		home.Close()
	}()
	h.up("a")
	if _, errs, status := h.try("a", "up"); status != 4 || !regexp.MustCompile(`in use by process [0-9]+:`).MatchString(errs) {
		t.Errorf("beside a node that runs: exit status %d: %s", status, errs)
	}
	h.coop("a", "listing", "add", "--offer", "--title", "Eggs")
}
