// Package api is the local interface of a node: JSON over HTTP on a unix socket
// that only its owner can open, and the Go client that the terminal uses. Every
// answer carries the version of this interface in "v".
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"coop/crdt/amount"
	"coop/crdt/listing"
	"coop/crdt/record"
	"coop/node"
)

// bodyMost bounds what a request may carry, in bytes: a price list is far
// smaller.
const bodyMost = 16 << 20

// alivePath answers as soon as the process of the node runs.
const alivePath = "/v1/alive"

// Server answers for a node.
type Server struct {
	node *node.Node
	down func() // asks the process to end
}

// New returns the handler of a node's interface. Down is called when somebody
// asks the node to stop; it must not wait.
func New(n *node.Node, down func()) http.Handler {
	s := &Server{n, down}
	m := http.NewServeMux()
	m.HandleFunc("GET "+alivePath, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, struct { // the node is not asked: its process runs
			V int `json:"v"`
		}{Version}, nil)
	})
	m.Handle("GET /v1/status", get(s.status))
	m.Handle("GET /v1/peers", get(s.peers))
	m.Handle("GET /v1/trouble", get(s.troubles))
	m.Handle("GET /v1/trouble/{id}", get(s.trouble))
	m.Handle("GET /v1/documents/{id}", get(s.document))
	m.Handle("GET /v1/evidence", get(s.evidence))
	m.Handle("GET /v1/log", http.HandlerFunc(s.log))
	m.Handle("POST /v1/sync", post(s.sync))
	m.Handle("GET /v1/words", get(s.words))
	m.Handle("POST /v1/clock/ok", post(s.clockOK))
	m.Handle("POST /v1/words/forget", post(s.forgetWords))
	m.Handle("POST /v1/down", post(s.stop))
	s.peopleRoutes(m)
	s.reseatRoutes(m)
	s.listingRoutes(m)
	s.proposalRoutes(m)
	s.moneyRoutes(m)
	return once(m)
}

// peopleRoutes adds the calls about members, newcomers and computers.
func (s *Server) peopleRoutes(m *http.ServeMux) {
	n := s.node
	m.Handle("GET /v1/members", get(s.members))
	m.Handle("GET /v1/members/{who}", get(s.member))
	m.Handle("POST /v1/members/propose", made(s, func(ctx context.Context, _ *http.Request, in NamesIn) (record.ID, error) {
		return n.ProposeMembers(ctx, in.Names)
	}))
	m.Handle("POST /v1/members/leave", made(s, func(ctx context.Context, _ *http.Request, in NameIn) (record.ID, error) {
		return n.Leave(ctx, in.Name)
	}))
	m.Handle("POST /v1/members/{who}/recover", post(s.recoveryCode))
	m.Handle("POST /v1/invites", post(s.invite))
	m.Handle("GET /v1/newcomers", get(s.newcomers))
	m.Handle("POST /v1/newcomers/{who}", made(s, func(ctx context.Context, r *http.Request, in AdmitIn) (record.ID, error) {
		return n.Admit(ctx, r.PathValue("who"), in.Yes)
	}))
	m.Handle("GET /v1/devices", get(s.devices))
	m.Handle("POST /v1/devices/trust", post(s.trust))
	m.Handle("POST /v1/devices/{name}/revoke", made(s, func(ctx context.Context, r *http.Request, in SeatIn) (record.ID, error) {
		return n.RevokeDevice(ctx, node.Revocation{Device: r.PathValue("name"), SeatTo: in.SeatTo, Words: in.Words, Here: in.Here})
	}))
	m.Handle("POST /v1/devices/{name}/seat", made(s, func(ctx context.Context, r *http.Request, in SeatIn) (record.ID, error) {
		return n.PassSeat(ctx, r.PathValue("name"), in.Words)
	}))
}

// listingRoutes adds the calls about offers, needs and comments.
func (s *Server) listingRoutes(m *http.ServeMux) {
	n := s.node
	m.Handle("GET /v1/listings", get(s.listings))
	m.Handle("GET /v1/listings/{id}", get(s.listing))
	m.Handle("POST /v1/listings", made(s, func(ctx context.Context, _ *http.Request, in ListingIn) (record.ID, error) {
		return n.AddListing(ctx, in.apply(listing.Draft{}))
	}))
	m.Handle("POST /v1/listings/import", http.HandlerFunc(s.importListings))
	m.Handle("POST /v1/listings/bring", post(s.bringListings))
	m.Handle("POST /v1/listings/{id}", made(s, func(ctx context.Context, r *http.Request, in ListingIn) (record.ID, error) {
		return n.EditListing(ctx, r.PathValue("id"), in.apply)
	}))
	m.Handle("POST /v1/listings/{id}/close", made(s, func(ctx context.Context, r *http.Request, _ struct{}) (record.ID, error) {
		return n.CloseListing(ctx, r.PathValue("id"))
	}))
	m.Handle("POST /v1/listings/{id}/reopen", made(s, func(ctx context.Context, r *http.Request, _ struct{}) (record.ID, error) {
		return n.ReopenListing(ctx, r.PathValue("id"))
	}))
	m.Handle("POST /v1/comments/{id}", made(s, func(ctx context.Context, r *http.Request, in TextIn) (record.ID, error) {
		return n.Comment(ctx, r.PathValue("id"), in.Text)
	}))
}

// proposalRoutes adds the calls about decisions.
func (s *Server) proposalRoutes(m *http.ServeMux) {
	n := s.node
	m.Handle("GET /v1/proposals", get(s.proposals))
	m.Handle("GET /v1/proposals/{id}", get(s.proposal))
	m.Handle("POST /v1/drafts", made(s, func(ctx context.Context, _ *http.Request, in TextIn) (record.ID, error) {
		return n.DraftProposal(ctx, in.Title, in.Text)
	}))
	m.Handle("GET /v1/drafts/{id}", get(s.draft))
	m.Handle("POST /v1/drafts/{id}", made(s, func(ctx context.Context, r *http.Request, in TextIn) (record.ID, error) {
		return n.EditText(ctx, r.PathValue("id"), func(string) string { return in.Text })
	}))
	m.Handle("POST /v1/proposals", made(s, func(ctx context.Context, _ *http.Request, in ProposalIn) (record.ID, error) {
		return n.OpenProposal(ctx, node.Proposal(in))
	}))
	m.Handle("POST /v1/proposals/{id}/close", made(s, func(ctx context.Context, r *http.Request, _ struct{}) (record.ID, error) {
		return n.CloseProposal(ctx, r.PathValue("id"))
	}))
	m.Handle("POST /v1/proposals/{id}/vote", made(s, func(ctx context.Context, r *http.Request, in VoteIn) (record.ID, error) {
		return n.Vote(ctx, r.PathValue("id"), in.Option, in.Reason)
	}))
	m.Handle("POST /v1/proposals/{id}/instalment", made(s, func(ctx context.Context, r *http.Request, in AnswerIn) (record.ID, error) {
		return n.PayInstalment(ctx, r.PathValue("id"), in.Line, in.Amount, in.Note, in.Overdraw)
	}))
}

// moneyRoutes adds the calls about accounts and payments.
func (s *Server) moneyRoutes(m *http.ServeMux) {
	n := s.node
	m.Handle("GET /v1/ledger", get(s.ledger))
	m.Handle("POST /v1/payments", made(s, func(ctx context.Context, _ *http.Request, in PaymentIn) (record.ID, error) {
		return n.Pay(ctx, node.Payment(in))
	}))
	m.Handle("POST /v1/requests", made(s, func(ctx context.Context, _ *http.Request, in PaymentIn) (record.ID, error) {
		return n.Request(ctx, node.Payment(in))
	}))
	m.Handle("POST /v1/payments/{id}/accept", post(s.accept))
	for verb, answer := range map[string]func(context.Context, string, string) (record.ID, error){
		"decline": n.Decline, "cancel": n.Cancel,
	} {
		m.Handle("POST /v1/payments/{id}/"+verb, made(s, func(ctx context.Context, r *http.Request, in AnswerIn) (record.ID, error) {
			return answer(ctx, r.PathValue("id"), in.Note)
		}))
	}
	m.Handle("POST /v1/payments/{id}/reverse", made(s, func(ctx context.Context, r *http.Request, in AnswerIn) (record.ID, error) {
		return n.Reverse(ctx, r.PathValue("id"), in.Amount, in.Note)
	}))
	m.Handle("GET /v1/standing", get(s.standing))
	m.Handle("POST /v1/standing", made(s, func(ctx context.Context, _ *http.Request, in StandingIn) (record.ID, error) {
		if in.Max == "" {
			return n.AcceptByHand(ctx, in.Unit)
		}
		return n.AcceptAlways(ctx, []node.Standing{node.Standing(in)})
	}))
}

// get answers with what f returns.
func get(f func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out, err := f(r)
		answer(w, out, err)
	})
}

// post reads the question as JSON and answers with what f returns.
func post[In any](f func(*http.Request, In) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in In
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyMost))
		d.DisallowUnknownFields()
		if err := d.Decode(&in); err != nil && !errors.Is(err, io.EOF) {
			answer(w, nil, &Error{Code: CodeUsage, Message: "the request is not the JSON this call takes: " + err.Error()})
			return
		}
		out, err := f(r, in)
		answer(w, out, err)
	})
}

// made is post for what makes a record: the answer is its id.
func made[In any](s *Server, f func(context.Context, *http.Request, In) (record.ID, error)) http.Handler {
	return post(func(r *http.Request, in In) (any, error) {
		id, err := f(r.Context(), r, in)
		if err != nil {
			return nil, err
		}
		v, err := s.node.View(r.Context())
		if err != nil {
			return nil, err
		}
		return s.show(r, v).made(id), nil
	})
}

func (v shown) made(id record.ID) Made {
	out := Made{V: Version, ID: id, Waits: v.waits(id), Written: v.written()}
	out.Minuted = out.Waits == "" // it may be since the view was made
	if p, ok := v.State.Ledger.Payments.Get(id); ok {
		out.fill(v.payment(p))
	}
	return out
}

// fill says what payment or request it is about.
func (m *Made) fill(p Payment) {
	m.Amount, m.Unit, m.From, m.To, m.Status = p.Amount, p.Unit, p.From, p.To, p.Status
}

// accept takes a payment or pays a request, and answers with what that was.
func (s *Server) accept(r *http.Request, in AnswerIn) (any, error) {
	id, err := s.node.Accept(r.Context(), r.PathValue("id"), in.Note)
	if err != nil {
		return nil, err
	}
	v, err := s.view(r)
	if err != nil {
		return nil, err
	}
	out := v.made(id)
	typed := r.PathValue("id")
	if paid, ok := v.State.Ledger.Payments.Get(id); ok {
		typed = paid.Request.String() // what was typed could mean the new payment too
	}
	p, err := node.FindPayment(v.State, typed)
	if err != nil {
		return nil, err
	}
	of := v.payment(p)
	out.fill(of)
	out.Asked, out.Note = of.Asked, of.Note
	return out, nil
}

// written says what this node was told at the last door it stood at, if nobody has
// let it in since: that is a peer's word without proof, so the node goes on writing, and
// its person is warned.
func (v shown) written() Written { return Written{ShutOut: v.ShutOut} }

// answer writes out, or err where there is one. The answer is encoded before the
// status is written: what cannot be encoded is an error of its own, and no empty answer.
func answer(w http.ResponseWriter, out any, err error) {
	status := http.StatusOK
	b := []byte{}
	if err == nil {
		b, err = json.Marshal(out)
	}
	if err != nil {
		e := AsError(err)
		status = httpStatus[e.Code]
		b, _ = json.Marshal(struct { // of strings alone: it can always be encoded
			V     int    `json:"v"`
			Error *Error `json:"error"`
		}{Version, e})
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a reader that went away is no error of this node
}

var httpStatus = map[Code]int{
	CodeFailed: http.StatusInternalServerError, CodeUsage: http.StatusBadRequest, CodeNotFound: http.StatusNotFound,
	CodeUnavailable: http.StatusServiceUnavailable, CodeRefused: http.StatusConflict, CodePending: http.StatusGatewayTimeout,
}

// AsError is the one place where errors become what people and programs are told.
func AsError(err error) *Error {
	var (
		known    *Error
		out      *node.Out
		refused  *node.Refused
		notFound *node.NotFound
		invalid  *node.Invalid
		away     *node.Unreachable
		unsure   *node.Unsure
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &out):
		return &Error{Code: CodeRefused, Message: out.Reason, Hint: out.Hint}
	case errors.As(err, &refused):
		return &Error{Code: CodeRefused, Message: refused.Reason}
	case errors.As(err, &notFound):
		return &Error{Code: CodeNotFound, Message: notFound.What}
	case errors.As(err, &invalid):
		return &Error{Code: CodeUsage, Message: invalid.Reason}
	case errors.As(err, &unsure):
		return &Error{Code: CodeFailed, Message: err.Error(), Hint: unsure.Hint}
	case errors.As(err, &away):
		return &Error{Code: CodePending, Message: away.Reason}
	case errors.Is(err, node.ErrNotAdmitted):
		return &Error{Code: CodePending, Message: err.Error(), Hint: "leave `coop up` running, and ask the member who invited you to do the same"}
	case errors.Is(err, node.ErrClosed), errors.Is(err, context.Canceled):
		return &Error{Code: CodeUnavailable, Message: "the node is stopping", Hint: "start it with `coop up`"}
	}
	return &Error{Code: CodeFailed, Message: err.Error()}
}

// importListings takes a CSV file as it is.
func (s *Server) importListings(w http.ResponseWriter, r *http.Request) {
	out, err := s.importFile(w, r)
	answer(w, out, err)
}

func (s *Server) importFile(w http.ResponseWriter, r *http.Request) (any, error) {
	file, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMost))
	if err != nil {
		return nil, &Error{Code: CodeUsage, Message: "the file cannot be read: " + err.Error()}
	}
	q := r.URL.Query()
	as := node.ImportAs{
		Unit: q.Get("unit"), Decimals: q.Get("decimals"), List: q.Get("list"), Columns: map[string]string{},
		CloseGone: q.Get("close_gone") != "", Look: q.Get("look") != "",
	}
	for _, m := range q["map"] {
		field, column, ok := strings.Cut(m, "=")
		if !ok {
			return nil, &Error{Code: CodeUsage, Message: fmt.Sprintf("%q is not FIELD=COLUMN, such as price=Preis", m)}
		}
		as.Columns[field] = column
	}
	i, err := s.node.Import(r.Context(), file, as)
	if len(i.Table.Bad) > 0 && err != nil {
		e := AsError(err)
		e.Hint = importHint(i.Table)
		return nil, e
	}
	if err != nil {
		return nil, err
	}
	v, err := s.view(r)
	return importedOf(i, v.written()), err
}

// importHint says what to do about a file that cannot be read.
func importHint(t listing.Table) string {
	unclear := func(b listing.RowError) bool { return strings.Contains(b.Reason, " may be ") }
	switch {
	case t.Headless:
		return "mend the row that names the columns, or say which column is what: --map title=COLUMN --map price=COLUMN"
	case t.Mixed, t.Marks == amount.Unknown && slices.ContainsFunc(t.Bad, unclear):
		return "mend this, or say how the whole file marks decimals: --decimals comma or --decimals point"
	case t.Bad[0].Row == 0:
		return ""
	}
	return "mend these rows and import the file again"
}

func importedOf(i node.Imported, w Written) Imported {
	out := Imported{
		V: Version, IDs: i.IDs, New: full(i.New), Changed: full(i.Changed), Same: len(i.Same), Gone: full(i.Gone), First: []string{}, Units: i.Units, Foreign: i.Foreign,
		Encoding: i.Table.Encoding, Separator: i.Table.Separator, Decimals: i.Table.Marks.String(), Shown: i.Table.Shown, Unused: i.Table.Unused, Twice: i.Twice, Written: w,
	}
	for _, row := range i.Table.Rows[:min(len(i.Table.Rows), 3)] {
		out.First = append(out.First, strings.TrimSuffix(row.Title+": "+row.Price, ": "))
	}
	return out
}

// full is a list that is [] in JSON where it is empty.
func full(list []string) []string { return append([]string{}, list...) }

// bringListings makes those listings that this person does not have already.
func (s *Server) bringListings(r *http.Request, in ListingsIn) (any, error) {
	drafts := make([]listing.Draft, len(in.Listings))
	for i, l := range in.Listings {
		drafts[i] = l.apply(listing.Draft{})
	}
	ids, err := s.node.BringListings(r.Context(), drafts)
	return s.imported(r, ids, err)
}

func (s *Server) imported(r *http.Request, ids []record.ID, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	v, err := s.view(r)
	return Made{V: Version, IDs: ids, Written: v.written()}, err
}

// log answers with entries, or with a stream of them that does not end.
func (s *Server) log(w http.ResponseWriter, r *http.Request) {
	after, _ := strconv.Atoi(r.URL.Query().Get("after"))
	if r.URL.Query().Get("follow") == "" {
		entries, err := s.entries(r.Context(), after, 1<<30)
		answer(w, Log{V: Version, Entries: entries}, err)
		return
	}
	news, err := s.node.Follow(r.Context())
	if err != nil {
		answer(w, nil, err)
		return
	}
	out, flush := json.NewEncoder(w), http.NewResponseController(w)
	for {
		entries, err := s.entries(r.Context(), after, 1000)
		if err != nil {
			return
		}
		for _, e := range entries {
			if out.Encode(e) != nil {
				return
			}
			after = e.Place
		}
		_ = flush.Flush()
		if len(entries) > 0 {
			continue
		}
		select {
		case <-news:
		case <-r.Context().Done():
			return
		}
	}
}

func (s *Server) entries(ctx context.Context, after, most int) ([]LogEntry, error) {
	entries, err := s.node.Log(ctx, after, most)
	out := make([]LogEntry, len(entries))
	for i, e := range entries {
		out[i] = LogEntry{e.Place, e.ID, e.Kind, e.Author, e.Device, e.Time.UTC(), e.Minuted, e.Problem}
	}
	return out, err
}

// sync asks peers for news, and answers when they were heard.
func (s *Server) sync(r *http.Request, in SyncIn) (any, error) {
	if err := s.node.Sync(r.Context(), in.Peer); err != nil {
		return nil, err
	}
	v, err := s.node.View(r.Context())
	if err != nil {
		return nil, err
	}
	out := Synced{V: Version}
	for _, p := range v.Peers {
		if p.Live {
			out.Peers++
			if p.Equal {
				out.Equal++
			}
		}
	}
	return out, nil
}

func (s *Server) stop(*http.Request, struct{}) (any, error) {
	s.down()
	return Made{V: Version}, nil
}

func (s *Server) words(r *http.Request) (any, error) {
	words, err := s.node.Words(r.Context())
	return Words{V: Version, Words: words}, err
}

func (s *Server) forgetWords(r *http.Request, _ struct{}) (any, error) {
	return Made{V: Version}, s.node.ForgetWords(r.Context())
}

func (s *Server) trust(r *http.Request, _ struct{}) (any, error) {
	return Made{V: Version}, s.node.TrustHome(r.Context())
}

func (s *Server) clockOK(r *http.Request, _ struct{}) (any, error) {
	return Made{V: Version}, s.node.ClockOK(r.Context())
}

func (s *Server) invite(r *http.Request, in InviteIn) (any, error) {
	inv, err := s.node.Invite(r.Context(), in.Uses, time.Duration(in.Hours)*time.Hour, in.Device)
	return s.invited(r, inv, err)
}

func (s *Server) recoveryCode(r *http.Request, _ struct{}) (any, error) {
	inv, err := s.node.RecoveryCode(r.Context(), r.PathValue("who"))
	return s.invited(r, inv, err)
}

func (s *Server) invited(r *http.Request, inv node.Invited, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	v, err := s.view(r)
	return Invite{V: Version, ID: inv.ID, Code: inv.Code, Uses: inv.Uses, Expires: inv.Expires.UTC(), Written: v.written()}, err
}

// apply changes those fields of a listing that were given.
func (in ListingIn) apply(d listing.Draft) listing.Draft {
	set(&d.Title, in.Title)
	set(&d.Text, in.Text)
	set(&d.Category, in.Category)
	set(&d.Tags, in.Tags)
	set(&d.Price, in.Price)
	set(&d.Quantity, in.Quantity)
	set(&d.Place, in.Place)
	set(&d.Code, in.Code)
	set(&d.List, in.List)
	set(&d.Expires, in.Expires)
	if in.Kind != nil {
		d.Kind = listing.Kind(*in.Kind)
	}
	return d
}

func set[T any](field *T, given *T) {
	if given != nil {
		*field = *given
	}
}
