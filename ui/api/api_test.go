package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"coop/crdt/record"
	"coop/node"
	"coop/node/nodetest"
	"coop/ui/api"
)

// served is a node that answers on its socket.
type served struct {
	*nodetest.House
	socket string
	client *api.Client
	downs  chan struct{}
}

// serve lets a house's node answer on a socket.
func serve(t *testing.T, h *nodetest.House) *served {
	t.Helper()
	dir, err := os.MkdirTemp("", "coop") // t.TempDir has too long a path for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &served{House: h, socket: filepath.Join(dir, "node.sock"), downs: make(chan struct{}, 9)}
	l, err := api.Listen(s.socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: api.New(h.Node, func() { s.downs <- struct{}{} })}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	s.client = api.Dial(s.socket)
	return s
}

// village is Ana, who founded a co-op, and Bo, a member; both serve.
func village(t *testing.T) (ana, bo *served) {
	t.Helper()
	return villageOn(t, nodetest.NewStreet())
}

func villageOn(t *testing.T, street *nodetest.Street) (ana, bo *served) {
	t.Helper()
	a := nodetest.Found(t, street, "Ana", "hour", "euro")
	code, err := a.Invite(t.Context(), 1, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	b := nodetest.Join(t, street, code.Code, "Bo")
	street.Meet(a, b)
	b.Await("joined", func(v node.View) bool { return v.Joined && v.Me.ID != record.ID{} })
	ana, bo = serve(t, a), serve(t, b)
	id := ana.make(t, "/v1/members/propose", `{"names":["Bo"]}`)
	ana.make(t, "/v1/proposals/"+id+"/vote", `{"option":"yes"}`)
	nodetest.AwaitSame(a, b)
	return ana, bo
}

// make posts what must make something and returns its id.
func (s *served) make(t *testing.T, path, in string) string {
	t.Helper()
	var m api.Made
	if err := s.client.Post(t.Context(), path, strings.NewReader(in), &m); err != nil {
		t.Fatalf("POST %s %s: %v", path, in, err)
	}
	if m.V != api.Version || m.ID == (record.ID{}) {
		t.Errorf("POST %s: got %+v", path, m)
	}
	return m.ID.String()
}

func ask[T any](t *testing.T, s *served, path string) (out T) {
	t.Helper()
	if err := s.client.Get(t.Context(), path, &out); err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	return out
}

// codeOf returns the code of an error of the API, "" for none.
func codeOf(t *testing.T, err error) api.Code {
	t.Helper()
	var e *api.Error
	if err != nil && !errors.As(err, &e) {
		t.Fatalf("got an error that is none of the API's: %v", err)
	}
	if err == nil {
		return ""
	}
	if e.Message == "" {
		t.Errorf("an error without a message: %+v", e)
	}
	return e.Code
}

func TestSocket(t *testing.T) {
	s := serve(t, nodetest.Found(t, nodetest.NewStreet(), "Ana"))
	info, err := os.Stat(s.socket)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("the socket has mode %v, want only its owner to open it", info.Mode())
	}
	if _, err := api.Listen(strings.Repeat("x", 200)); codeOf(t, err) != api.CodeFailed {
		t.Errorf("a path that is too long: got %v", err)
	}
	// What a killed node leaves behind is in nobody's way.
	left := filepath.Join(filepath.Dir(s.socket), "s")
	dead, err := net.Listen("unix", left)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	dead.Close()
	l, err := api.Listen(left)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := api.Dial(left).Get(t.Context(), "/v1/status", new(api.Status)); codeOf(t, err) != api.CodeUnavailable {
		t.Errorf("nobody listens: got %v", err)
	}
	// What is no socket stays, and nobody listens where others could come in.
	if err := os.WriteFile(left, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := api.Listen(left); codeOf(t, err) != api.CodeFailed || !strings.Contains(err.Error(), "something else") {
		t.Errorf("a file in its place: got %v", err)
	}
	if b, err := os.ReadFile(left); string(b) != "precious" {
		t.Errorf("the file holds %q, %v", b, err)
	}
	open := filepath.Join(t.TempDir(), "open")
	if err := os.Mkdir(open, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := api.Listen(filepath.Join(open, "s")); codeOf(t, err) != api.CodeFailed || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("a folder that others can open: got %v", err)
	}
}

// TestStopped: a node whose process is stopped accepts connections and answers
// nothing; whoever asks is told so within seconds, also who follows it.
func TestStopped(t *testing.T) {
	socket := filepath.Join(filepath.Dir(serve(t, nodetest.Found(t, nodetest.NewStreet(), "Ana")).socket), "stopped")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := api.Dial(socket)
	for what, ask := range map[string]func() error{
		"a call": func() error { return c.Get(ctx, "/v1/status", new(api.Status)) },
		"the log": func() error {
			return c.Follow(ctx, 0, func(api.LogEntry) error { return nil })
		},
	} {
		if err := ask(); codeOf(t, err) != api.CodeUnavailable || !strings.Contains(err.Error(), "stopped") {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

// TestLongCall: a call that takes longer than a node has to say that it runs is
// answered all the same.
func TestLongCall(t *testing.T) {
	dir, err := os.MkdirTemp("", "coop")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := api.Listen(filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	slow := http.NewServeMux()
	slow.HandleFunc("GET /v1/alive", func(http.ResponseWriter, *http.Request) {})
	slow.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(7 * time.Second)
		w.Write([]byte(`{"v":1,"member":"Ana"}`))
	})
	server := &http.Server{Handler: slow}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	defer func() {
		server.Close()
		<-done
	}()
	var s api.Status
	if err := api.Dial(filepath.Join(dir, "s")).Get(t.Context(), "/v1/status", &s); err != nil || s.Member != "Ana" {
		t.Errorf("got %+v, %v", s, err)
	}
}

// TestRoutes asks every route once and wants the answer of its kind.
func TestRoutes(t *testing.T) {
	ana, bo := village(t)
	same := func() { nodetest.AwaitSame(ana.House, bo.House) }

	status := ask[api.Status](t, bo, "/v1/status")
	if status.Coop != "Willow Street" || status.Member != "Bo" || status.Standing != "member" || !status.Joined || len(status.Peers) != 1 || len(status.Balances) != 2 {
		t.Errorf("status: got %+v", status)
	}
	if other := ask[api.Status](t, ana, "/v1/status"); other.Digest != status.Digest || other.Records != status.Records {
		t.Error("two nodes that hold the same show another digest")
	}
	if peers := ask[api.Peers](t, ana, "/v1/peers").Peers; len(peers) != 1 || peers[0].Member != "Bo" || !peers[0].Live {
		t.Errorf("peers: got %+v", peers)
	}
	members := ask[api.Members](t, bo, "/v1/members").Members
	if len(members) != 2 || members[0].Name != "Ana" || !members[0].Teller || members[1].Sponsor != "Ana" {
		t.Errorf("members: got %+v", members)
	}
	if m := ask[api.Member](t, bo, "/v1/members/ana"); m.ID != members[0].ID || m.Standing != "member" {
		t.Errorf("member: got %+v", m)
	}
	if d := ask[api.Devices](t, bo, "/v1/devices").Devices; len(d) != 1 || !d[0].Here || d[0].State != "in use" {
		t.Errorf("devices: got %+v", d)
	}
	if n := ask[api.Newcomers](t, ana, "/v1/newcomers").Newcomers; n == nil || len(n) != 0 {
		t.Errorf("newcomers: got %v, want an empty list", n)
	}
	var invite api.Invite
	if err := ana.client.Post(t.Context(), "/v1/invites", api.InviteIn{Uses: 3, Hours: 2}, &invite); err != nil || invite.Uses != 3 || !strings.HasPrefix(invite.Code, "coop1") {
		t.Errorf("invite: got %+v, %v", invite, err)
	}

	apples := ana.make(t, "/v1/listings", `{"kind":"offer","title":"Apples","price":"2 hour/kg","tags":["fruit"]}`)
	ana.make(t, "/v1/listings/"+apples, `{"text":"red ones"}`)
	same()
	bo.make(t, "/v1/comments/"+apples, `{"text":"how many?"}`)
	same()
	if d := ask[api.Document](t, ana, "/v1/documents/"+apples); d.ID.String() != apples || !bytes.Contains(d.Automerge, []byte("red ones")) {
		t.Errorf("document: got %s, %d bytes", d.ID, len(d.Automerge))
	}
	if a, err := api.Audit(ask[api.Evidence](t, ana, "/v1/evidence").Evidence); err != nil || a.Ledger == nil {
		t.Errorf("evidence: got %+v, %v", a, err)
	}
	l := ask[api.Listing](t, ana, "/v1/listings/"+apples)
	if l.Title != "Apples" || l.Text != "red ones" || l.Price != "2 hour/kg" || !l.Mine || l.Owner != "Ana" || len(l.Comments) != 1 || l.Comments[0].Author != "Bo" {
		t.Errorf("listing: got %+v", l)
	}
	ana.make(t, "/v1/listings/"+apples+"/close", `{}`)
	if n := len(ask[api.Listings](t, ana, "/v1/listings").Listings); n != 0 {
		t.Errorf("%d open listings, want 0", n)
	}
	if n := len(ask[api.Listings](t, ana, "/v1/listings?all=1&mine=1&search=appl").Listings); n != 1 {
		t.Errorf("%d of all listings found, want 1", n)
	}
	ana.make(t, "/v1/listings/"+apples+"/reopen", ``)
	var made api.Made
	csv := "kind,title,price\noffer,Pears,1\nneed,Eggs,gift\n"
	if err := bo.client.Post(t.Context(), "/v1/listings/import?unit=hour", strings.NewReader(csv), &made); err != nil || len(made.IDs) != 2 {
		t.Errorf("import: got %+v, %v", made, err)
	}

	draft := ana.make(t, "/v1/drafts", `{"title":"Tea","text":"Let us drink tea."}`)
	same()
	bo.make(t, "/v1/drafts/"+draft, `{"text":"Let us drink green tea."}`)
	same()
	if d := ask[api.Draft](t, ana, "/v1/drafts/"+draft); d.Text != "Let us drink green tea." || d.Owner != "Ana" {
		t.Errorf("draft: got %+v", d)
	}
	if p := ask[api.Proposals](t, ana, "/v1/proposals"); len(p.Drafts) != 1 || len(p.Proposals) != 1 {
		t.Errorf("proposals: got %d, and %d drafts", len(p.Proposals), len(p.Drafts))
	}
	tea := ana.make(t, "/v1/proposals", fmt.Sprintf(`{"draft":%q,"effects":["budget:Bo,4 hour,tea"]}`, draft))
	same()
	bo.make(t, "/v1/proposals/"+tea+"/vote", `{"option":"yes","reason":"thirst"}`)
	same()
	ana.make(t, "/v1/proposals/"+tea+"/vote", `{"option":"yes"}`)
	same()
	p := ask[api.Proposal](t, bo, "/v1/proposals/"+tea)
	if p.Status != "passed" || p.Text != "Let us drink green tea." || len(p.Votes) != 2 || p.Yes != 2 || !p.Minuted || p.Effects[0].Text != "the treasury may pay Bo 4.00 hour for tea" {
		t.Errorf("proposal: got %+v", p)
	}
	if d := ask[api.Draft](t, bo, "/v1/drafts/"+tea); d.ID.String() != draft {
		t.Errorf("the draft of a proposal: got %+v", d)
	}
	ana.make(t, "/v1/proposals/"+tea+"/instalment", `{"amount":"1","overdraw":true}`)
	poll := bo.make(t, "/v1/proposals", `{"title":"Coffee?"}`)
	bo.make(t, "/v1/proposals/"+poll+"/close", ``)

	gift := bo.make(t, "/v1/payments", `{"who":"Ana","amount":"3","note":"thanks"}`)
	same()
	if s := ask[api.Status](t, ana, "/v1/status"); len(s.ToConfirm) != 1 || s.ToConfirm[0].ID.String() != gift {
		t.Errorf("to confirm: got %+v", s.ToConfirm)
	}
	ana.make(t, "/v1/payments/"+gift+"/accept", `{"note":"welcome"}`)
	ana.make(t, "/v1/payments/"+gift+"/reverse", `{"amount":"1"}`)
	for _, verb := range []string{"decline", "cancel"} {
		same()
		asked := bo.make(t, "/v1/requests", `{"who":"Ana","amount":"1"}`)
		same()
		map[string]*served{"decline": ana, "cancel": bo}[verb].make(t, "/v1/payments/"+asked+"/"+verb, ``)
	}
	bo.make(t, "/v1/standing", `{"max":"5","unit":"hour"}`)
	bo.make(t, "/v1/standing", `{}`)
	same()
	ledger := ask[api.Ledger](t, bo, "/v1/ledger?who=Bo")
	if len(ledger.Balances) != 2 || ledger.Balances[0].Balance != "-1.00" || len(ledger.Payments) != 5 {
		t.Errorf("Bo's account: got %+v", ledger)
	}
	if all := ask[api.Ledger](t, bo, "/v1/ledger"); len(all.Balances) != 6 {
		t.Errorf("all accounts: got %+v", all.Balances)
	}

	var synced api.Synced
	if err := bo.client.Post(t.Context(), "/v1/sync", api.SyncIn{Peer: "Ana"}, &synced); err != nil || synced.Peers != 1 {
		t.Errorf("sync: got %+v, %v", synced, err)
	}
	log := ask[api.Log](t, bo, "/v1/log?after=1")
	if len(log.Entries) == 0 || log.Entries[0].Place != 2 {
		t.Errorf("log: got %+v", log)
	}
	for _, path := range []string{"/v1/words/forget", "/v1/devices/trust", "/v1/down"} {
		if err := ana.client.Post(t.Context(), path, struct{}{}, &made); err != nil || made.V != api.Version {
			t.Errorf("POST %s: got %+v, %v", path, made, err)
		}
	}
	if ask[api.Status](t, ana, "/v1/status").Words {
		t.Error("the words are still there")
	}
	select {
	case <-ana.downs:
	default:
		t.Error("down was not asked for")
	}
	bo.make(t, "/v1/members/leave", `{"name":"Willow Street"}`)
}

// TestErrors: what goes wrong says so by the right code.
func TestErrors(t *testing.T) {
	ana, bo := village(t)
	apples := ana.make(t, "/v1/listings", `{"kind":"offer","title":"Apples"}`)
	nodetest.AwaitSame(ana.House, bo.House)
	tests := []struct {
		path, in string // in "": GET
		want     api.Code
	}{
		{"/v1/members/Zoe", "", api.CodeNotFound},
		{"/v1/listings/2222", "", api.CodeNotFound},
		{"/v1/listings/a", "", api.CodeNotFound},
		{"/v1/proposals/2222", "", api.CodeNotFound},
		{"/v1/drafts/2222", "", api.CodeNotFound},
		{"/v1/ledger?who=Zoe", "", api.CodeNotFound},
		{"/v1/payments", `{"who":"Zoe","amount":"1"}`, api.CodeNotFound},
		{"/v1/payments", `{"who":"Ana","amount":"1","unit":"gold"}`, api.CodeNotFound},
		{"/v1/payments", `{"who":"Ana","amount":"one"}`, api.CodeUsage},
		{"/v1/payments", `{"who":"Ana","amount":"51"}`, api.CodeRefused},
		{"/v1/payments", `{"who":"Ana","amount":1}`, api.CodeUsage},
		{"/v1/payments", `{"to":"Ana"}`, api.CodeUsage},
		{"/v1/payments", `{"who":`, api.CodeUsage},
		{"/v1/payments", `[]`, api.CodeUsage},
		{"/v1/payments/2222/accept", `{}`, api.CodeNotFound},
		{"/v1/requests", `{"who":"Bo","amount":"1"}`, api.CodeRefused},
		{"/v1/standing", `{"max":"much"}`, api.CodeUsage},
		{"/v1/listings", `{}`, api.CodeUsage},
		{"/v1/listings", `{"kind":"gift","title":"x"}`, api.CodeUsage},
		{"/v1/listings/" + apples, `{"title":"Worms"}`, api.CodeRefused},
		{"/v1/listings/" + apples + "/close", `{}`, api.CodeRefused},
		{"/v1/listings/import", "kind,title\noffer,\n", api.CodeUsage},
		{"/v1/comments/" + apples, `{}`, api.CodeUsage},
		{"/v1/comments/2222", `{"text":"x"}`, api.CodeNotFound},
		{"/v1/invites", `{"uses":1}`, api.CodeRefused},
		{"/v1/invites", `{}`, api.CodeUsage},
		{"/v1/newcomers/Zoe", `{}`, api.CodeNotFound},
		{"/v1/devices/toaster/revoke", `{}`, api.CodeNotFound},
		{"/v1/members/leave", `{"name":"Poplar Street"}`, api.CodeUsage},
		{"/v1/members/propose", `{"names":["Zoe"]}`, api.CodeNotFound},
		{"/v1/members/propose", `{}`, api.CodeUsage},
		{"/v1/proposals", `{"title":"x","effects":["crown:Bo"]}`, api.CodeUsage},
		{"/v1/proposals", `{"title":"x","effects":["expel:Ana"]}`, api.CodeRefused},
		{"/v1/proposals/2222/vote", `{"option":"yes"}`, api.CodeNotFound},
		{"/v1/proposals/2222/vote", `{"option":"maybe"}`, api.CodeUsage},
		{"/v1/proposals/2222/close", `{}`, api.CodeNotFound},
		{"/v1/proposals/2222/instalment", `{}`, api.CodeNotFound},
		{"/v1/sync", `{"peer":"Zoe"}`, api.CodeNotFound},
		{"/v1/sync", `{"peer":"/street/Zoe/p2p/Zoe"}`, api.CodePending},
	}
	records := bo.See().State.Records
	for _, test := range tests {
		t.Run(test.path+" "+test.in, func(t *testing.T) {
			var err error
			if test.in == "" {
				err = bo.client.Get(t.Context(), test.path, new(json.RawMessage))
			} else {
				err = bo.client.Post(t.Context(), test.path, strings.NewReader(test.in), new(json.RawMessage))
			}
			if got := codeOf(t, err); got != test.want {
				t.Errorf("got %q (%v), want %q", got, err, test.want)
			}
		})
	}
	if n := bo.See().State.Records; n != records {
		t.Errorf("%d records were written by requests that failed", n-records)
	}
}

// TestForm holds what every answer has, and what is no route.
func TestForm(t *testing.T) {
	ana, _ := village(t)
	h := api.New(ana.Node, func() {})
	tests := []struct {
		method, path, in string
		want             int
	}{
		{"GET", "/v1/status", "", http.StatusOK},
		{"GET", "/v1/listings/2222", "", http.StatusNotFound},
		{"POST", "/v1/payments", "{", http.StatusBadRequest},
		{"POST", "/v1/payments", `{"who":"Bo","amount":"51"}`, http.StatusConflict},
		{"POST", "/v1/comments/2222", `{"text":"` + strings.Repeat("x", 17<<20) + `"}`, http.StatusBadRequest},
		{"GET", "/v1/payments", "", http.StatusMethodNotAllowed}, // nothing changes by a GET
		{"GET", "/v1/down", "", http.StatusMethodNotAllowed},
		{"GET", "/v1/nothing", "", http.StatusNotFound},
	}
	for _, test := range tests {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), test.method, "http://node"+test.path, strings.NewReader(test.in))
			if err != nil {
				t.Fatal(err)
			}
			w := &answer{header: http.Header{}}
			h.ServeHTTP(w, r)
			if w.status != test.want {
				t.Errorf("got %d, want %d", w.status, test.want)
			}
			if test.want == http.StatusMethodNotAllowed || test.path == "/v1/nothing" {
				return
			}
			var body struct {
				V     int
				Error *api.Error
			}
			if err := json.Unmarshal([]byte(w.body.String()), &body); err != nil || body.V != api.Version || w.header.Get("Content-Type") != "application/json" {
				t.Errorf("got %q as %q: %v", w.body.String(), w.header.Get("Content-Type"), err)
			}
			if (body.Error != nil) != (test.want != http.StatusOK) {
				t.Errorf("got the error %+v with status %d", body.Error, test.want)
			}
		})
	}
}

// answer keeps what a handler writes.
type answer struct {
	header http.Header
	status int
	body   strings.Builder
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

// TestNewcomer: who is not admitted yet is told to wait, and can still ask how
// things stand.
func TestNewcomer(t *testing.T) {
	street := nodetest.NewStreet()
	ana := nodetest.Found(t, street, "Ana")
	code, err := ana.Invite(t.Context(), 1, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	bo := serve(t, nodetest.Join(t, street, code.Code, "Bo"))
	if s := ask[api.Status](t, bo, "/v1/status"); s.Joined || s.Coop != "" || s.Member != "" || s.Peers == nil || s.ToVote == nil {
		t.Errorf("status: got %+v", s)
	}
	for _, path := range []string{"/v1/members", "/v1/members/Ana", "/v1/devices", "/v1/newcomers", "/v1/listings", "/v1/listings/2222", "/v1/proposals", "/v1/proposals/2222", "/v1/drafts/2222", "/v1/ledger"} {
		if got := codeOf(t, bo.client.Get(t.Context(), path, new(json.RawMessage))); got != api.CodePending {
			t.Errorf("GET %s: got %q, want %q", path, got, api.CodePending)
		}
	}
	for _, path := range []string{"/v1/listings", "/v1/payments", "/v1/invites", "/v1/proposals", "/v1/comments/2222"} {
		err := bo.client.Post(t.Context(), path, strings.NewReader(`{}`), new(json.RawMessage))
		if got := codeOf(t, err); got != api.CodePending && path != "/v1/invites" {
			t.Errorf("POST %s: got %q, want %q", path, got, api.CodePending)
		}
	}
	if log := ask[api.Log](t, bo, "/v1/log"); len(log.Entries) != 0 {
		t.Errorf("log: got %+v", log)
	}
}

// TestFollow streams the log, over the socket and in this process.
func TestFollow(t *testing.T) {
	ana := serve(t, nodetest.Found(t, nodetest.NewStreet(), "Ana"))
	for name, client := range map[string]*api.Client{"socket": ana.client, "direct": api.Direct(api.New(ana.Node, func() {}))} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			before := ana.See().State.Records
			stop := errors.New("enough")
			var places []int
			written := false
			err := client.Follow(ctx, before-1, func(e api.LogEntry) error {
				if places = append(places, e.Place); !written {
					written = true
					ana.make(t, "/v1/listings", `{"kind":"offer","title":"Apples"}`)
					return nil
				}
				return stop
			})
			if !errors.Is(err, stop) || len(places) != 2 || places[0] != before || places[1] != before+1 {
				t.Errorf("got %v, places %v after %d", err, places, before)
			}
		})
	}
}

// TestDirect gives the same answers without a socket.
func TestDirect(t *testing.T) {
	ana := serve(t, nodetest.Found(t, nodetest.NewStreet(), "Ana"))
	client := api.Direct(api.New(ana.Node, func() {}))
	var direct, socket api.Status
	if err := client.Get(t.Context(), "/v1/status", &direct); err != nil {
		t.Fatal(err)
	}
	if err := ana.client.Get(t.Context(), "/v1/status", &socket); err != nil || direct.Digest != socket.Digest {
		t.Errorf("got %s and %s, %v", direct.Digest, socket.Digest, err)
	}
	if err := client.Post(t.Context(), "/v1/payments", api.PaymentIn{Who: "Zoe"}, new(api.Made)); codeOf(t, err) != api.CodeNotFound {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := client.Get(ctx, "/v1/status", &direct); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("a call that was given up: got %v", err)
	}
	ana.Close()
	if err := client.Get(t.Context(), "/v1/status", &direct); codeOf(t, err) != api.CodeUnavailable {
		t.Errorf("a node that is closed: got %v", err)
	}
	if err := ana.client.Get(t.Context(), "/v1/log?follow=1", &direct); codeOf(t, err) != api.CodeUnavailable && !errors.Is(err, io.EOF) {
		t.Errorf("the log of a node that is closed: got %v", err)
	}
}
