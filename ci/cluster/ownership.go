package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"holograph/ci/cache"
	"holograph/ci/host"
	"holograph/ci/repo"
	"holograph/ci/state"
)

const (
	// kindLabel is on every container of every kind cluster, with the cluster's name.
	kindLabel = "io.x-k8s.kind.cluster"
	// markFolder begins the mark of this project's clusters. kind puts no labels of its
	// caller's on a container, but it mounts what it is told to, so the mark is where
	// /dev/null is mounted: <markFolder>/<owner>/<checkout>. It is there from the
	// container's first moment, can be read of one that is stopped, and ends with it.
	markFolder = "/kind/holograph"
	// nameDigits of the owner stand in the names of clusters.
	nameDigits = 6
)

// owner is one user's one checkout, which clusters belong to.
type owner struct {
	// checkout is its folder.
	checkout string
	// id tells it from every other checkout and user.
	id string
}

// thisOwner is the owner of what this process makes.
func thisOwner() (owner, error) {
	checkout, err := repo.Root()
	if err != nil {
		return owner{}, err
	}
	return ownerOf(checkout)
}

func ownerOf(checkout string) (owner, error) {
	checkout, err := filepath.EvalSymlinks(checkout)
	if err != nil {
		return owner{}, err
	}
	// The user's key: two users, or two containers that share one engine, may have
	// their checkouts at the same path.
	key, err := state.Key()
	return owner{checkout: checkout, id: cache.Key(key, checkout)}, err
}

// name returns the name of the owner's cluster for that purpose.
func (o owner) name(purpose string) string { return purpose + "-" + o.id[:nameDigits] }

// mark is the path in a node that says whose it is.
func (o owner) mark() string {
	// A folder's name has 255 bytes at most; of a longer path the end says most.
	checkout := []rune(o.checkout)
	for len(url.QueryEscape(string(checkout))) > 250 {
		checkout = checkout[1:]
	}
	return path.Join(markFolder, o.id, url.QueryEscape(string(checkout)))
}

// existing is a kind cluster of this machine, running or stopped, of any owner.
type existing struct {
	name       string
	containers []string
	// id and checkout are its owner's; empty where a container has no mark.
	id, checkout string
}

// kindClusters lists the kind clusters that the engine has.
func kindClusters(ctx context.Context, e host.Engine) ([]existing, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var clusters []existing
	ids, err := nodes(ctx, e)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		node, err := inspect(ctx, e, id)
		if err != nil {
			// Another checkout may have removed it since.
			if ids, again := nodes(ctx, e); again == nil && !slices.Contains(ids, id) {
				continue
			}
			return nil, err
		}
		at := slices.IndexFunc(clusters, func(c existing) bool { return c.name == node.name })
		if at < 0 {
			clusters = append(clusters, node)
			continue
		}
		clusters[at].containers = append(clusters[at].containers, node.containers...)
		// A cluster is its owner's if every node is.
		if clusters[at].id != node.id {
			clusters[at].id, clusters[at].checkout = "", ""
		}
	}
	slices.SortFunc(clusters, func(a, b existing) int { return strings.Compare(a.name, b.name) })
	return clusters, nil
}

func nodes(ctx context.Context, e host.Engine) ([]string, error) {
	out, err := e.Command("ps", "--all", "--no-trunc", "--filter", "label="+kindLabel, "--format", "{{.ID}}").Output(ctx)
	return strings.Fields(out), err
}

// inspect returns the cluster of one container.
func inspect(ctx context.Context, e host.Engine, id string) (existing, error) {
	out, err := e.Command("container", "inspect", id).Output(ctx)
	if err != nil {
		return existing{}, err
	}
	var found []struct {
		Name   string
		Config struct{ Labels map[string]string }
		Mounts []struct{ Destination string }
	}
	if err := json.Unmarshal([]byte(out), &found); err != nil || len(found) != 1 {
		return existing{}, fmt.Errorf("%s container inspect %s did not print one container: %w", e.Name, id, err)
	}
	node := existing{name: found[0].Config.Labels[kindLabel], containers: []string{strings.TrimPrefix(found[0].Name, "/")}}
	for _, mount := range found[0].Mounts {
		mark, marked := strings.CutPrefix(mount.Destination, markFolder+"/")
		if id, checkout, whole := strings.Cut(mark, "/"); marked && whole {
			node.id = id
			if node.checkout, err = url.QueryUnescape(checkout); err != nil {
				node.checkout = checkout
			}
		}
	}
	return node, nil
}

// describeForeign says who owns another owner's cluster and how that owner removes it.
func (o owner) describeForeign(c existing, e host.Engine) string {
	whose := "has no mark of this project"
	switch {
	case c.checkout == o.checkout:
		whose = "was made from this folder by another user, or with a state folder that was deleted"
	case c.checkout != "":
		whose = "was made from the checkout " + c.checkout
	}
	return fmt.Sprintf("%s, which %s; its owner removes it with: %s rm --force --volumes %s", c.name, whose, e.Name, strings.Join(c.containers, " "))
}
