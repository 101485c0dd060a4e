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

	"holograph/test/doctor/check"
	"holograph/test/doctor/description"
	"holograph/test/internal/kube"
)

// Status is what is known of a link.
type Status string

// The statuses. A link behind the first that is not OK is not checked: where that is
// broken it gets no data, so its state is a consequence.
const (
	OK         Status = "ok"
	Broken     Status = "broken"
	Unseen     Status = "could not look"
	NotChecked Status = "not checked"
)

// Verdict is what is known of all links.
type Verdict string

// The verdicts. Of a release that could not be looked at nobody knows whether it
// scales.
const (
	Holds        Verdict = "holds"
	IsBroken     Verdict = "broken"
	CouldNotLook Verdict = "could not look"
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
	// Cause and Remedy are those of a link that is broken or could not be looked at.
	Cause  string `json:"cause,omitempty"`
	Remedy string `json:"remedy,omitempty"`
}

// Report is what was found of a release.
type Report struct {
	Release   string `json:"release"`
	Namespace string `json:"namespace"`
	// Verdict is what the program's exit code says.
	Verdict Verdict `json:"verdict"`
	// Healthy says that every link holds.
	Healthy bool   `json:"healthy"`
	Links   []Link `json:"links"`
}

// Of walks the path of a release up to the first broken link. The path is read
// anew each time: an upgrade changes it.
func Of(ctx context.Context, c *kube.Client, namespace, release string, read func(context.Context) (description.Path, error)) Report {
	r := Report{Release: c.Shown(release), Namespace: c.Shown(namespace), Verdict: Holds, Healthy: true}
	p, err := read(ctx)
	if err != nil {
		link := undescribed(ctx, err)
		link.Cause, link.Remedy = c.Shown(link.Cause), c.ShownAdvice(link.Remedy)
		r.stop(link)
		return r
	}
	r.Release, r.Namespace = c.Shown(p.Release), c.Shown(p.Namespace)
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
		var broken *check.Broken
		var unseen *check.Unseen
		switch {
		case errors.As(err, &broken):
			r.stop(Link{Name: link.Name, Status: Broken, Cause: broken.Cause, Remedy: broken.Remedy})
		case errors.As(err, &unseen):
			r.stop(Link{Name: link.Name, Status: Unseen, Cause: unseen.Cause, Remedy: unseen.Remedy})
		default:
			r.Links = append(r.Links, Link{Name: link.Name, Status: OK, Finding: finding})
		}
	}
	return r
}

// stop ends a walk at a link that is not OK.
func (r *Report) stop(at Link) {
	r.Links, r.Healthy, r.Verdict = append(r.Links, at), false, IsBroken
	if at.Status == Unseen {
		r.Verdict = CouldNotLook
	}
}

// NotConnected is the report of a release whose cluster could not be asked at all.
func NotConnected(namespace, release, cause, remedy string) Report {
	r := Report{Release: release, Namespace: namespace}
	r.stop(Link{Name: Description, Status: Unseen, Cause: cause, Remedy: remedy})
	return r
}

// OfRelease is Of for a release that says itself what its path is.
func OfRelease(ctx context.Context, r kube.Release) Report {
	return Of(ctx, r.Client, r.Namespace, r.Name, func(ctx context.Context) (description.Path, error) {
		return description.Read(ctx, r.Client, r.Namespace, r.Name)
	})
}

// undescribed says why a release's path is not known, and what to do. That there is
// none was seen; one that cannot be read or understood says nothing of the release.
func undescribed(ctx context.Context, err error) Link {
	unknown := description.Unknown{}
	switch {
	case ctx.Err() != nil:
		unseen := check.OutOfTime(err)
		return Link{Name: Description, Status: Unseen, Cause: unseen.Cause, Remedy: unseen.Remedy}
	case errors.As(err, &description.Missing{}):
		return Link{Name: Description, Status: Broken, Cause: err.Error(),
			Remedy: "name the release and the namespace that its objects are in (--release, --namespace); the chart writes the description where doctor.enabled is true"}
	case errors.As(err, &description.Several{}):
		return Link{Name: Description, Status: Unseen, Cause: err.Error(),
			Remedy: "delete those that the chart did not write, which helm get manifest does not show, or name a file with the right description with --path"}
	case errors.As(err, &unknown):
		return Link{Name: Description, Status: Unseen, Cause: err.Error(), Remedy: "take the doctor of the version that the release was installed from"}
	}
	unseen := check.Unread(err)
	return Link{Name: Description, Status: Unseen, Cause: unseen.Cause, Remedy: unseen.Remedy}
}

// Broken returns the first broken link, nil where there is none.
func (r Report) Broken() *Link { return r.first(Broken) }

// Unseen returns the link that could not be looked at, nil where there is none.
func (r Report) Unseen() *Link { return r.first(Unseen) }

func (r Report) first(status Status) *Link {
	for i := range r.Links {
		if r.Links[i].Status == status {
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
	const why = "cause:  %s\nremedy: %s\n"
	switch broken, unseen := r.Broken(), r.Unseen(); {
	case broken != nil:
		fmt.Fprintf(&out, "\nThe first broken link is %s.\n"+why, broken.Name, broken.Cause, broken.Remedy)
	case unseen != nil:
		fmt.Fprintf(&out, "\nThe link %s could not be looked at, so nobody knows whether it holds.\n"+why, unseen.Name, unseen.Cause, unseen.Remedy)
	default:
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
