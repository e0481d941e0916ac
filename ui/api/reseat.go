package api

import (
	"cmp"
	"net/http"

	"coop/crdt/record"
	"coop/node"
)

// What there is to say and to ask about tellers, and putting others in their
// place.
type (
	Tellers struct {
		V          int         `json:"v"`
		Tellers    []Teller    `json:"tellers"`
		Needs      int         `json:"needs"`   // how many of them must talk to each other
		Waiting    int         `json:"waiting"` // acts that are not in the minutes
		Advice     string      `json:"advice,omitempty"`
		Reseatings []Reseating `json:"reseatings"` // that count, in their order
	}

	Reseating struct {
		ID      record.ID   `json:"id"`
		Author  string      `json:"author"`
		Tellers []Seat      `json:"tellers"`
		Signed  []string    `json:"signed"`
		After   record.ID   `json:"after"` // the leader from which the minutes went on
		Took    []record.ID `json:"took"`  // acts that had been final and were put into the order anew
	}

	// Reseat is a re-seating that members are signing.
	Reseat struct {
		V       int       `json:"v"`
		ID      record.ID `json:"id"`   // of the record, once enough had signed
		Done    bool      `json:"done"` // it is written: these are the tellers
		File    []byte    `json:"file"`
		Tellers []Seat    `json:"tellers"`
		Signed  []string  `json:"signed"`
		Missing []string  `json:"missing"` // who has not signed yet
		Needs   int       `json:"needs"`
		Written
	}

	ReplaceIn struct {
		Tellers []string `json:"tellers"` // NAME or NAME/DEVICE
		Force   bool     `json:"force"`   // although the tellers can be reached
		Again   bool     `json:"again"`   // although this node signed others
	}

	SignIn struct {
		File  []byte `json:"file"`
		Again bool   `json:"again"`
	}
)

// reseatRoutes adds the calls about tellers.
func (s *Server) reseatRoutes(m *http.ServeMux) {
	m.Handle("GET /v1/tellers", get(s.tellers))
	m.Handle("POST /v1/tellers/replace", post(func(r *http.Request, in ReplaceIn) (any, error) {
		out, err := s.node.ReplaceTellers(r.Context(), in.Tellers, in.Force, in.Again)
		return s.reseat(r, out, err)
	}))
	m.Handle("POST /v1/tellers/sign", post(func(r *http.Request, in SignIn) (any, error) {
		out, err := s.node.SignReseat(r.Context(), in.File, in.Again)
		return s.reseat(r, out, err)
	}))
	m.Handle("POST /v1/tellers/read", post(func(r *http.Request, in SignIn) (any, error) {
		out, err := s.node.ReadReseat(r.Context(), in.File)
		return s.reseat(r, out, err)
	}))
}

func (s *Server) tellers(r *http.Request) (any, error) {
	v, err := s.view(r)
	if err != nil {
		return nil, err
	}
	return Tellers{V: Version, Tellers: v.tellers(), Needs: v.TellersNeeded, Waiting: len(v.State.Pending), Advice: cmp.Or(v.Advice, v.Stuck), Reseatings: v.reseatings()}, nil
}

// tellers are those of the minutes.
func (v shown) tellers() []Teller {
	out := []Teller{}
	for _, t := range v.Tellers {
		at := Teller{Member: t.Name, Device: t.Device.Name, Here: t.Here, Connected: t.Connected, Reached: t.Reached}
		if !t.Wrote.IsZero() {
			at.Wrote = timeOrNone(t.Wrote.UnixMilli())
		}
		out = append(out, at)
	}
	return out
}

// reseatings are those that count, in their order.
func (v shown) reseatings() []Reseating {
	out := []Reseating{}
	for _, r := range node.Reseatings(v.State) {
		out = append(out, Reseating{
			ID: r.Record, Author: v.seat(r.Device).Member, Tellers: v.seats(r.Tellers), Signed: v.names(r.Signers), After: r.After, Took: list(r.Took),
		})
	}
	return out
}

func (v shown) seat(key record.Key) Seat {
	d, _ := v.State.People.Devices.Get(key)
	return Seat{v.name(d.Member), d.Name}
}

func (v shown) seats(keys []record.Key) (out []Seat) {
	for _, key := range keys {
		out = append(out, v.seat(key))
	}
	return out
}

func (v shown) names(ids []record.ID) []string {
	out := []string{}
	for _, id := range ids {
		out = append(out, v.name(id))
	}
	return out
}

func (s *Server) reseat(r *http.Request, made node.Reseat, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	v, err := s.view(r)
	if err != nil {
		return nil, err
	}
	return Reseat{
		V: Version, ID: made.ID, Done: made.ID != (record.ID{}), File: made.File, Tellers: v.seats(made.Tellers),
		Signed: v.names(made.Signed), Missing: v.names(made.Missing), Needs: made.Needs, Written: v.written(),
	}, nil
}
