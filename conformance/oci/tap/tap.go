// Package tap writes TAP 13 for the suite's programs, which import a package of this name that Debian does not have.
// The calls are those that they use; the words are those of https://testanything.org/tap-version-13-specification.html.
// It stands in the build's own GOPATH and runs in the suite's programs, also inside containers: it uses Go's standard
// library alone, keeps no buffer, and opens nothing.
package tap

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// T is one stream of results. Writer takes it (os.Stdout after New); TODO makes of each result one that is known to fail.
type T struct {
	TODO   bool
	Writer io.Writer
	last   *int // the number of the last result, shared with what Todo gives
}

// New gives a stream to os.Stdout.
func New() *T {
	return &T{Writer: os.Stdout, last: new(int)}
}

// Todo gives the same stream, whose results are marked as known to fail.
func (t *T) Todo() *T {
	return &T{TODO: true, Writer: t.Writer, last: t.last}
}

// Count tells how many results there were.
func (t *T) Count() int {
	return *t.last
}

// Header writes the version, and the plan if count is above 0; if it is 0, AutoPlan comes at the end.
func (t *T) Header(count int) {
	fmt.Fprintln(t.Writer, "TAP version 13")
	if count > 0 {
		fmt.Fprintf(t.Writer, "1..%d\n", count)
	}
}

// AutoPlan writes the plan, from the results so far.
func (t *T) AutoPlan() {
	fmt.Fprintf(t.Writer, "1..%d\n", *t.last)
}

// Ok writes one result.
func (t *T) Ok(passed bool, description string) {
	word := "ok"
	if !passed {
		word = "not ok"
	}
	if t.TODO {
		t.result(word, "# TODO "+description)
	} else {
		t.result(word, "- "+description)
	}
}

// Pass writes a result that is good.
func (t *T) Pass(description string) {
	t.Ok(true, description)
}

// Fail writes a result that is not.
func (t *T) Fail(description string) {
	t.Ok(false, description)
}

// Skip writes count results that were left out, and why.
func (t *T) Skip(count int, reason string) {
	for ; count > 0; count-- {
		t.result("ok", "# SKIP "+reason)
	}
}

// Diagnostic writes a remark, each of its lines as a comment.
func (t *T) Diagnostic(message string) {
	for _, line := range strings.Split(strings.TrimRight(message, "\n"), "\n") {
		fmt.Fprintf(t.Writer, "# %s\n", line)
	}
}

// Diagnosticf is Diagnostic with a format as fmt has it.
func (t *T) Diagnosticf(format string, values ...interface{}) {
	t.Diagnostic(fmt.Sprintf(format, values...))
}

// YAML writes what belongs to the last result, as JSON, which is YAML too. The error is that of encoding/json.
func (t *T) YAML(message interface{}) error {
	text, err := json.MarshalIndent(message, "  ", "  ")
	if err != nil {
		return err
	}
	fmt.Fprintf(t.Writer, "  ---\n  %s\n  ...\n", text)
	return nil
}

func (t *T) result(word, rest string) {
	*t.last++
	fmt.Fprintf(t.Writer, "%s %d %s\n", word, *t.last, rest)
}
