package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"coop/crdt/coop"
	"coop/crdt/record"
	"coop/node/nodetest"
	"coop/ui/api"
)

// TestAnythingCanBeRead: whatever members' devices may have put among the records,
// every read of the interface answers, with JSON that any program can read.
func TestAnythingCanBeRead(t *testing.T) {
	reads := routes(t)
	for _, seed := range []uint64{2, 4} {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			ana := nodetest.Found(t, nodetest.NewStreet(), "Ana", "hour", "euro")
			ids := ana.Anything(seed, 300)
			handler := api.New(ana.Node, func() {})
			asked := 0
			for _, read := range reads {
				paths := []string{read}
				if i := strings.Index(read, "{"); i >= 0 {
					paths = each(read[:i], ids)
				}
				for _, path := range paths {
					asked++
					readWell(t, handler, path)
				}
			}
			if asked < len(ids) {
				t.Errorf("only %d questions were asked", asked)
			}
			tells(t, ana)
			showsAll(t, handler, ana.See().State)
		})
	}
}

// routes returns the patterns of everything that can be read, as they stand in the
// source, so that none is left out; and some with questions.
func routes(t *testing.T) []string {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	reads := []string{
		"/v1/listings?search=a", "/v1/ledger?who=Ana", "/v1/ledger?who=treasury", "/v1/log?after=7", "/v1/evidence?decision={id}", "/v1/ledger?who={id}",
	}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"GET (/v1/[^"]*)"`).FindAllStringSubmatch(string(b), -1) {
			reads = append(reads, m[1])
		}
	}
	return reads
}

func each(begin string, ids []record.ID) (paths []string) {
	for _, id := range ids {
		paths = append(paths, begin+id.String())
	}
	return append(paths, begin+url.PathEscape("=Bo+a"), begin+url.PathEscape("\u202eevil\u202c"))
}

// readWell asks one question, which must be answered with sound JSON, if only with
// that there is no such thing. It returns the status.
func readWell(t *testing.T, handler http.Handler, path string) int {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	switch w.Code {
	case http.StatusOK, http.StatusNotFound, http.StatusBadRequest, http.StatusConflict:
	default:
		t.Errorf("%s: answered %d %s", path, w.Code, w.Body)
		return w.Code
	}
	d := json.NewDecoder(w.Body)
	d.UseNumber()
	var answer any
	if err := d.Decode(&answer); err != nil || d.More() {
		t.Errorf("%s: answered %d with what is no JSON: %v", path, w.Code, err)
	}
	exact(t, path, answer)
	return w.Code
}

// showsAll holds that everything that the co-op has can be looked at alone.
func showsAll(t *testing.T, handler http.Handler, s *coop.State) {
	t.Helper()
	var paths []string
	for id := range s.Proposals.Proposals.All() {
		paths = append(paths, "/v1/proposals/"+id.String())
	}
	for id := range s.Listings.All() {
		paths = append(paths, "/v1/listings/"+id.String())
	}
	for id := range s.People.Members.All() {
		paths = append(paths, "/v1/members/"+id.String())
	}
	for _, path := range paths {
		if code := readWell(t, handler, path); code != http.StatusOK {
			t.Errorf("%s, which there is, is answered with %d", path, code)
		}
	}
}

// exact holds that every number is one that programs without 64-bit integers read as
// it is written.
func exact(t *testing.T, path string, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			exact(t, path, e)
		}
	case []any:
		for _, e := range v {
			exact(t, path, e)
		}
	case json.Number:
		if n, err := v.Int64(); err != nil || n > 1<<53 || n < -1<<53 {
			t.Errorf("%s: the number %s is read as another by some programs", path, v)
		}
	}
}

// tells holds that the records told something: some of each subject had an effect.
func tells(t *testing.T, h *nodetest.House) {
	t.Helper()
	s := h.See().State
	problems := s.Problems()
	for what, n := range map[string]int{
		"people": s.People.Members.Len() - 2, "proposals": s.Proposals.Proposals.Len() - 1, "payments": s.Ledger.Payments.Len(),
		"listings": s.Listings.Len(), "problems": problems.Len(),
	} {
		if n < 1 {
			t.Errorf("%d %s: the records tell too little", n, what)
		}
	}
}
