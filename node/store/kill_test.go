package store_test

import (
	"bufio"
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestKill kills a process that appends, again and again, at any instant, also
// while it opens the store. What it was told is on the disk is there, in order,
// with nothing between.
func TestKill(t *testing.T) {
	lives := 30
	if testing.Short() {
		lives = 10
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	acked, logs := 0, 0
	for life := range lives {
		cmd := child(t, "append", dir)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		limit := 40 * time.Millisecond // mostly in Open
		if life%2 == 1 {
			limit = 250 * time.Millisecond
		}
		kill := time.AfterFunc(time.Duration(random.Int64N(int64(limit))), func() { cmd.Process.Kill() })
		for lines := bufio.NewScanner(out); lines.Scan(); {
			n, err := strconv.Atoi(lines.Text())
			if err != nil {
				if strings.HasPrefix(lines.Text(), "error") {
					t.Fatalf("life %d: %s", life, lines.Text())
				}
				continue // cut by the kill
			}
			acked = n
		}
		cmd.Wait()
		kill.Stop()
		if stderr.Len() > 0 {
			t.Errorf("life %d wrote: %s", life, stderr.String())
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "records", "*.mem")); len(left) > 0 {
			logs++
		}
		if life%3 == 0 {
			continue // the next life starts from what the kill left
		}
		s := open(t, dir)
		if s.Count() < acked {
			t.Fatalf("life %d: %d records, %d were acknowledged", life, s.Count(), acked)
		}
		if err := check(s); err != nil {
			t.Fatalf("life %d: %v", life, err)
		}
		acked = s.Count()
		if _, err := os.Stat(filepath.Join(dir, "opening")); err == nil {
			t.Errorf("life %d: opening is there though nothing is missing", life)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d records, %d of %d lives left a log", acked, logs, lives)
	if acked < 20 || logs == 0 {
		t.Errorf("%d records and %d logs: the kills did not hit the writing", acked, logs)
	}
}
