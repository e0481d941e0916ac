package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"

	"coop/node"
)

// OnceHeader names the header of a POST that makes it count once: 1 to
// MaxOnceLen bytes. Sent again to the same path with the same, it is not done
// again, and answered with what was made the first time.
const OnceHeader = "Coop-Once"

// MaxOnceLen bounds what that header says, in bytes.
const MaxOnceLen = 64

type onceKey struct{}

// WithOnce returns a context whose posts carry a token. Without one each post
// carries a random token of its own.
func WithOnce(ctx context.Context, token string) context.Context {
	return context.WithValue(ctx, onceKey{}, token)
}

// tokenOf returns the token of a context, or a new one.
func tokenOf(ctx context.Context) string {
	if token, ok := ctx.Value(onceKey{}).(string); ok {
		return token
	}
	return NewToken()
}

// NewToken returns a token that nobody used before.
func NewToken() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// once lets each POST that carries a token count once.
func once(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := r.Header.Get(OnceHeader)
		if r.Method != http.MethodPost || token == "" {
			h.ServeHTTP(w, r)
			return
		}
		if len(token) > MaxOnceLen {
			answer(w, nil, &Error{Code: CodeUsage, Message: fmt.Sprintf("what makes a command count once has %d bytes, more than %d: shorten it", len(token), MaxOnceLen)})
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMost))
		if err != nil {
			answer(w, nil, &Error{Code: CodeUsage, Message: "the request cannot be read: " + err.Error()})
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		call := sha256.Sum256([]byte(token + "\x00" + r.URL.Path))
		wish := sha256.Sum256(append([]byte(r.URL.RawQuery+"\x00"), body...))
		h.ServeHTTP(w, r.WithContext(node.Once(r.Context(), call, wish)))
	})
}
