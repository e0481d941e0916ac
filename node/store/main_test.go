package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"

	"coop/crdt/record"
	"coop/node/store"
)

// TestMain lets the test binary be its own child: a process that can be killed,
// or that Badger may end.
func TestMain(m *testing.M) {
	switch os.Getenv("STORE_CHILD") {
	case "append":
		childAppend(os.Getenv("STORE_DIR"))
	case "check":
		childCheck(os.Getenv("STORE_DIR"))
	default:
		os.Exit(m.Run())
	}
}

// childAppend appends until it cannot and prints the count after each batch.
func childAppend(dir string) {
	s, err := store.Open(dir)
	for err == nil {
		n := s.Count()
		var rs []*record.Record
		for i := range n%7 + 1 {
			rs = append(rs, numbered(n+i))
		}
		if err = s.Append(rs); err == nil {
			fmt.Println(s.Count())
		}
	}
	fmt.Println("error", err)
	os.Exit(1)
}

// childCheck opens a store and prints how many right records it holds.
func childCheck(dir string) {
	s, err := store.Open(dir)
	if err == nil {
		err = check(s)
		s.Close()
	}
	switch {
	case errors.Is(err, store.ErrDamaged):
		fmt.Println("damaged", err)
	case err != nil:
		fmt.Println("error", err)
	default:
		fmt.Println(s.Count())
	}
}

// numbered is an unsigned stand-in for the record at a position; its size and
// content follow from the position.
func numbered(pos int) *record.Record {
	r := &record.Record{Raw: fill("header", pos, 150), Sig: record.Sig(fill("sig", pos, 64)), Hollow: pos%11 == 3}
	switch {
	case r.Hollow:
	case pos%5 == 2:
		r.Body = []byte{}
	case pos%13 == 0:
		r.Body = fill("body", pos, 60_000)
	default:
		r.Body = fill("body", pos, 300+pos%100)
	}
	return r
}

func fill(what string, pos, size int) []byte {
	line := []byte(what + " " + strconv.Itoa(pos) + "; ")
	return bytes.Repeat(line, size/len(line)+1)[:size]
}

// check compares every record of s with what numbered says.
func check(s *store.Store) error {
	next := 0
	err := s.Headers(func(pos int, r store.Raw) error {
		want := numbered(pos)
		if pos != next || !bytes.Equal(r.Header, want.Raw) || r.Sig != want.Sig || r.Hollow != want.Hollow || r.Body != nil {
			return fmt.Errorf("header %d is not what was written", pos)
		}
		next++
		return nil
	})
	if err != nil {
		return err
	}
	if next != s.Count() {
		return fmt.Errorf("%d headers, Count says %d", next, s.Count())
	}
	all := make([]int, next)
	for i := range all {
		all[i] = i
	}
	return s.Read(all, func(pos int, r store.Raw) error {
		want := numbered(pos)
		if !bytes.Equal(r.Header, want.Raw) || r.Sig != want.Sig || r.Hollow != want.Hollow || !bytes.Equal(r.Body, want.Body) || (r.Body == nil) != r.Hollow {
			return fmt.Errorf("record %d is not what was written", pos)
		}
		return nil
	})
}
