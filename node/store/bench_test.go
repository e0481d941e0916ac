package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"coop/crdt/record"
	"coop/node/store"
)

// records makes n signed records of one device, each with a body of size bytes.
func records(t testing.TB, n, size int) []*record.Record {
	t.Helper()
	key := record.NewPrivate([32]byte{1})
	rs := make([]*record.Record, 0, n)
	h := record.Header{Seq: 1, Depth: 1, Kind: "coop/found", Time: 1_790_000_000_000}
	for i := range n {
		body := []byte(strings.Repeat(fmt.Sprintf("%d potatoes and %d leeks; ", i, i*7%100), size/20+1))[:size]
		r, err := record.New(h, body, key)
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
		h = record.Header{Coop: rs[0].ID, Seq: uint64(i + 2), Prev: r.ID, Depth: uint64(i + 2), Kind: "doc/create", Time: 1_790_000_000_000 + int64(i)}
	}
	return rs
}

func BenchmarkAppend(b *testing.B) {
	rs := records(b, 10_000, 400)
	for _, batch := range []int{1, 500} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			s := open(b, b.TempDir())
			defer s.Close()
			i := 0
			for b.Loop() {
				if err := s.Append(rs[i : i+batch]); err != nil {
					b.Fatal(err)
				}
				if i += batch; i == len(rs) {
					i = 0
				}
			}
		})
	}
}

// BenchmarkHeaders reads the headers of 10,000 records that were appended one
// by one, and of a million with COOP_BENCH_LARGE=1.
func BenchmarkHeaders(b *testing.B) {
	rs := records(b, 10_000, 400)
	for _, n := range []int{10_000, 1_000_000} {
		if n > 10_000 && os.Getenv("COOP_BENCH_LARGE") == "" {
			continue
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir := b.TempDir()
			s := open(b, dir)
			for range n / len(rs) {
				appendAll(b, s, rs, 500)
			}
			s.Close()
			start := time.Now()
			s = open(b, dir)
			defer s.Close()
			opened := time.Since(start)
			sum := 0
			for b.Loop() {
				err := s.Headers(func(_ int, r store.Raw) error { sum += len(r.Header); return nil })
				if err != nil {
					b.Fatal(err)
				}
			}
			apparent, used := sizes(b, dir)
			b.ReportMetric(float64(opened.Microseconds())/1000, "open-ms")
			b.ReportMetric(float64(apparent)/1e6, "apparent-MB")
			b.ReportMetric(float64(used)/1e6, "disk-MB")
			b.ReportMetric(rss(b), "rss-MB")
		})
	}
}

// BenchmarkRead reads 10,000 whole records, as one who serves a pull does.
func BenchmarkRead(b *testing.B) {
	rs := records(b, 10_000, 400)
	s := open(b, b.TempDir())
	defer s.Close()
	appendAll(b, s, rs, 500)
	all := make([]int, len(rs))
	for i := range all {
		all[i] = i
	}
	for b.Loop() {
		if err := s.Read(all, func(int, store.Raw) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func sizes(t testing.TB, dir string) (apparent, used int64) {
	filepath.Walk(dir, func(path string, fi os.FileInfo, err error) error {
		if err == nil && fi.Mode().IsRegular() {
			apparent += fi.Size()
			used += fi.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return nil
	})
	return apparent, used
}

func rss(t testing.TB) float64 {
	runtime.GC()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident int
	fmt.Sscan(string(b), &size, &resident)
	return float64(resident*os.Getpagesize()) / 1e6
}
