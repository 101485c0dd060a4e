// Package report walks a release's path and tells what was found, as text for a
// person and as JSON for a program.
package report

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"holograph/test/doctor/check"
	"holograph/test/doctor/path"
	"holograph/test/kube"
)

// Status is what is known of a link.
type Status string

// The statuses. A link behind the first broken one is not checked: it has nothing
// to carry, so whatever it shows is a consequence.
const (
	OK         Status = "ok"
	Broken     Status = "broken"
	NotChecked Status = "not checked"
)

// Description is the link before all others: that the release tells its path.
const Description = "description"

// Link is what was found of one link.
type Link struct {
	// Name is the link's.
	Name   string `json:"link"`
	Status Status `json:"status"`
	// Finding is what was seen of a link that holds.
	Finding string `json:"finding,omitempty"`
	// Cause and Remedy are a broken link's.
	Cause  string `json:"cause,omitempty"`
	Remedy string `json:"remedy,omitempty"`
}

// Report is what was found of a release.
type Report struct {
	Release   string `json:"release"`
	Namespace string `json:"namespace"`
	// Healthy says that no link is broken.
	Healthy bool   `json:"healthy"`
	Links   []Link `json:"links"`
}

// Of walks the path of a release up to the first broken link. The path is read
// anew each time: an upgrade changes it.
func Of(ctx context.Context, c *kube.Client, namespace, release string, read func(context.Context) (path.Path, error)) Report {
	r := Report{Release: release, Namespace: namespace, Healthy: true}
	p, err := read(ctx)
	if err != nil {
		cause, remedy := undescribed(err)
		r.Links, r.Healthy = append(r.Links, Link{Name: Description, Status: Broken, Cause: cause, Remedy: remedy}), false
		return r
	}
	r.Release, r.Namespace = p.Release, p.Namespace
	r.Links = append(r.Links, Link{Name: Description, Status: OK, Finding: "the release says what its path is"})
	for _, link := range check.All() {
		if !link.On(p) {
			continue
		}
		if !r.Healthy {
			r.Links = append(r.Links, Link{Name: link.Name, Status: NotChecked})
			continue
		}
		finding, err := link.Check(ctx, c, p)
		found := Link{Name: link.Name, Status: OK, Finding: finding}
		if broken := (*check.Broken)(nil); errors.As(err, &broken) {
			found, r.Healthy = Link{Name: link.Name, Status: Broken, Cause: broken.Cause, Remedy: broken.Remedy}, false
		}
		r.Links = append(r.Links, found)
	}
	return r
}

// OfRelease is Of for a release that says itself what its path is.
func OfRelease(ctx context.Context, r kube.Release) Report {
	return Of(ctx, r.Client, r.Namespace, r.Name, func(ctx context.Context) (path.Path, error) {
		return path.Read(ctx, r.Client, r.Namespace, r.Name)
	})
}

// undescribed says why a release's path is not known, and what to do.
func undescribed(err error) (cause, remedy string) {
	switch {
	case errors.As(err, &path.Missing{}):
		return err.Error(), "name the release and the namespace that its objects are in (--release, --namespace); the chart writes the description where doctor.enabled is true"
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		broken := check.Unread(err)
		return broken.Cause, broken.Remedy
	}
	return err.Error(), "see whether the API server answers (kubectl version), and take the doctor of the version that the release was installed from"
}

// Broken returns the first broken link, nil where there is none.
func (r Report) Broken() *Link {
	for i := range r.Links {
		if r.Links[i].Status == Broken {
			return &r.Links[i]
		}
	}
	return nil
}

// Text returns the report for a person.
func (r Report) Text() string {
	var out bytes.Buffer
	fmt.Fprintf(&out, "release %s in namespace %s\n\n", r.Release, r.Namespace)
	table := tabwriter.NewWriter(&out, 0, 0, 3, ' ', 0)
	for _, link := range r.Links {
		switch link.Status {
		case OK:
			fmt.Fprintf(table, "%s\t%s\t%s\n", link.Status, link.Name, link.Finding)
		default:
			fmt.Fprintf(table, "%s\t%s\n", link.Status, link.Name)
		}
	}
	table.Flush()
	if broken := r.Broken(); broken != nil {
		fmt.Fprintf(&out, "\nThe first broken link is %s.\ncause:  %s\nremedy: %s\n", broken.Name, broken.Cause, broken.Remedy)
	} else {
		fmt.Fprint(&out, "\nEvery link holds.\n")
	}
	return out.String()
}

// JSON returns the report for a program.
func (r Report) JSON() string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	// The remedies hold shell commands and rules, which no browser reads.
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		panic(err) // Strings and booleans only.
	}
	return out.String()
}
