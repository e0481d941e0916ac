package node

import (
	"fmt"
	"strings"
	"testing"

	"coop/crdt/member"
	"coop/crdt/proposal"
)

// TestMembersTitle: however many people are proposed, and however long their names are,
// the title that nobody typed is one: it names as many as there is room for.
func TestMembersTitle(t *testing.T) {
	for n := 1; n <= proposal.MaxMembers; n++ {
		for _, length := range []int{1, 9, member.MaxNameLen} {
			var names []string
			for i := range n {
				names = append(names, (fmt.Sprint(i) + strings.Repeat("x", length))[:length])
			}
			title := membersTitle(names)
			if err := proposal.CheckTitle(title); err != nil || !strings.HasPrefix(title, "Make "+names[0]) {
				t.Errorf("%d people: %q, %v", n, title, err)
			}
		}
	}
}
