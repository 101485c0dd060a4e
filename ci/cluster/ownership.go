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
	// markFolder begins the mark of this project's clusters. kind cannot set labels on a container, but it can mount files,
	// so the mark is the path at which /dev/null is mounted: <markFolder>/<owner>/<checkout>. A container has it from its
	// creation until its removal, also while it is stopped.
	markFolder = "/kind/holograph"
	// nameDigits is the number of digits of the owner's ID in the name of a cluster.
	nameDigits = 6
)

// owner is a checkout of a user. Clusters belong to it.
type owner struct {
	// checkout is the path of its folder.
	checkout string
	// id differs for every other checkout and user.
	id string
}

// thisOwner returns the owner of the clusters that this process creates.
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
	// The ID depends on a key of the user, because two users, or two containers that share an engine, may have checkouts at
	// the same path.
	key, err := state.Key()
	return owner{checkout: checkout, id: cache.Key(key, checkout)}, err
}

// name returns the name of the owner's cluster for that purpose.
func (o owner) name(purpose string) string { return purpose + "-" + o.id[:nameDigits] }

// mark returns the path in a node that names the owner.
func (o owner) mark() string {
	// A folder's name has 255 bytes at most. The end of a longer path tells checkouts apart best.
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
	// id and checkout are those of its owner; empty if a container has no mark.
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
			// Another checkout may have removed it meanwhile.
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
		// A cluster belongs to an owner if all of its nodes do.
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

// inspect returns the cluster of a container.
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

// describeForeign describes the cluster of another owner, with the command by which that owner removes it.
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
