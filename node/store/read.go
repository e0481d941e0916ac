package store

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"coop/crdt/record"
)

// Raw is a record as it lies in the store. Its slices are valid only during the
// call that hands it out.
type Raw struct {
	Header []byte // as it was signed
	Sig    record.Sig
	Body   []byte // nil from Headers, and when hollow
	Hollow bool
}

// Encode returns the one encoding of the record, when the body was read.
func (r Raw) Encode() []byte {
	return (&record.Record{Raw: r.Header, Sig: r.Sig, Body: r.Body, Hollow: r.Hollow}).Encode()
}

// Record returns the record, in memory of its own.
func (r Raw) Record() (*record.Record, error) {
	return record.Trusted(bytes.Clone(r.Header), r.Sig, bytes.Clone(r.Body), r.Hollow)
}

// Headers calls fn for every record in order of position, without its body. It
// stops at the first error of fn and returns it; its own errors wrap ErrDamaged.
func (s *Store) Headers(fn func(pos int, r Raw) error) error {
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	it := iterate(txn)
	defer it.Close()
	for pos, n := 0, s.Count(); pos < n; pos++ {
		r, _, err := s.header(it, pos)
		if err == nil {
			err = fn(pos, r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Read calls fn for the records at the given positions, bodies included, in
// that order; runs of positions are read fastest. It stops at the first error
// of fn and returns it; its own errors wrap ErrDamaged.
func (s *Store) Read(positions []int, fn func(pos int, r Raw) error) error {
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	headers, bodies := iterate(txn), iterate(txn)
	defer headers.Close()
	defer bodies.Close()
	for _, pos := range positions {
		r, where, err := s.header(headers, pos)
		switch {
		case err != nil:
		case where == bodyEmpty:
			r.Body = []byte{}
		case where == bodyStored:
			r.Body, err = s.value(bodies, pos, bodyPart)
		}
		if err == nil {
			err = fn(pos, r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Record reads the record at pos.
func (s *Store) Record(pos int) (r *record.Record, err error) {
	err = s.Read([]int{pos}, func(_ int, raw Raw) error {
		r, err = raw.Record()
		return err
	})
	return r, err
}

// Body reads the body of the record at pos, nil if the record is hollow.
func (s *Store) Body(pos int) ([]byte, error) {
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	if item, err := txn.Get(key(pos, bodyPart)); err == nil {
		return item.ValueCopy(nil)
	}
	item, err := txn.Get(key(pos, headerPart))
	switch {
	case err != nil || item.UserMeta() == bodyStored:
		return nil, s.missing(pos, err)
	case item.UserMeta() == bodyHollow:
		return nil, nil
	}
	return []byte{}, nil
}

// verify reads every record.
func (s *Store) verify() error {
	all := make([]int, s.Count())
	for i := range all {
		all[i] = i
	}
	return s.Read(all, func(int, Raw) error { return nil })
}

func iterate(txn *badger.Txn) *badger.Iterator {
	return txn.NewIterator(badger.IteratorOptions{Prefix: []byte{recordPrefix}})
}

// header reads a signature and a header, and where the body is.
func (s *Store) header(it *badger.Iterator, pos int) (Raw, byte, error) {
	v, err := s.value(it, pos, headerPart)
	if err != nil || len(v) < len(record.Sig{}) {
		return Raw{}, 0, s.missing(pos, err)
	}
	where := it.Item().UserMeta()
	return Raw{Header: v[len(record.Sig{}):], Sig: record.Sig(v[:len(record.Sig{})]), Hollow: where == bodyHollow}, where, nil
}

// value moves it to a key, by one step if that does it, and reads the value,
// which is valid until it moves again.
func (s *Store) value(it *badger.Iterator, pos int, part byte) (value []byte, err error) {
	k := key(pos, part)
	found := func() bool { return it.Valid() && bytes.Equal(it.Item().Key(), k) }
	if it.Valid() {
		it.Next()
	}
	if !found() {
		it.Seek(k)
	}
	if !found() {
		return nil, s.missing(pos, nil)
	}
	err = it.Item().Value(func(v []byte) error { value = v; return nil })
	if err != nil {
		return nil, s.missing(pos, err)
	}
	return value, nil
}

// missing says why the record at pos could not be read.
func (s *Store) missing(pos int, err error) error {
	switch {
	case pos < 0 || pos >= s.Count():
		return fmt.Errorf("position %d is not in a store of %d records", pos, s.Count())
	case errors.Is(err, badger.ErrDBClosed), errors.Is(err, ErrDamaged):
		return err
	case err == nil, errors.Is(err, badger.ErrKeyNotFound):
		return damaged(s.dir, fmt.Sprintf("record %d of %d is not there", pos, s.Count()))
	}
	return damaged(s.dir, fmt.Sprintf("record %d of %d cannot be read: %v", pos, s.Count(), err))
}
