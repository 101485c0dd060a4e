package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	inprocess "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"helm.sh/helm/v3/pkg/chartutil"
	helmregistry "helm.sh/helm/v3/pkg/registry"

	"holograph/ci/image"
	"holograph/ci/supply"
)

// Publication says what [Publish] publishes, and where.
type Publication struct {
	// Chart is the folder of the chart, Folder where its package is written.
	Chart, Folder string
	// Registry is a host and the path of the repositories in it, such as "ghcr.io/acme".
	Registry string
	// Images are the images that are in no registry yet.
	Images []Archived
	// Key, Keyring and PassphraseFile sign the chart, as in [Sign]; without Key it is not signed.
	Key, Keyring, PassphraseFile string
	// Force lets a tag be replaced that names other content.
	Force bool
}

// Archived is an image in an archive.
type Archived struct {
	// Component is the image's key in values.yaml, such as "renderer".
	Component string
	// Ref is its name in values.yaml and its tag, such as "localhost/holograph-renderer:0.1.0".
	Ref string
	// Path is the path of the archive.
	Path string
}

// artifact is a tag in the registry and the content that it is to name.
type artifact struct {
	tag   name.Tag
	image v1.Image
	// same reports whether the tag names the same package, although with another digest, and whether it can stay: a package
	// without the signature cannot. Nil is never.
	same func(there v1.Image) (same, asGood bool, err error)
}

// Publish pushes the images, and then the chart, whose defaults name them by their digests. It pushes nothing before it knows
// that the registry allows all of it and that no tag names other content. The same images and the same chart give the same
// digests; only a signature contains the time.
func Publish(ctx context.Context, out io.Writer, p Publication) error {
	if err := checkRegistry(p.Registry); err != nil {
		return err
	}
	registry := &guard{next: remote.DefaultTransport}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithTransport(registry)}

	all, pushed, err := ofImages(p.Registry, p.Images)
	if err != nil {
		return err
	}
	path, err := packageFor(p, pushed)
	if err != nil {
		return err
	}
	chart, done, err := ofChart(p.Registry, path)
	if err != nil {
		return err
	}
	defer done()
	all = append(all, chart)

	var missing []artifact
	for _, a := range all {
		there, err := a.there(options, p.Force)
		if err != nil {
			return explain(p.Registry, err)
		}
		if there {
			fmt.Fprintln(out, "there already:", describe(a))
		} else {
			missing = append(missing, a)
		}
	}
	for _, a := range missing {
		// This comes before the first push: a registry that allows the images and not the chart must get neither.
		if err := remote.CheckPushPermission(a.tag, authn.DefaultKeychain, registry); err != nil {
			return explain(p.Registry, err)
		}
	}
	for _, a := range missing {
		if err := remote.Write(a.tag, a.image, options...); err != nil {
			return explain(p.Registry, fmt.Errorf("push %s: %w", a.tag, err))
		}
		fmt.Fprintln(out, "pushed:", describe(a))
	}

	plain := ""
	if registry.plain.Load() {
		plain = " --plain-http"
	}
	fmt.Fprintf(out, "\nThe chart's package: %s\nInstall it:\n\n  helm upgrade --install holograph oci://%s --version %s --namespace holograph --create-namespace%s\n",
		path, chart.tag.Context().Name(), chart.tag.TagStr(), plain)
	if p.Key != "" {
		fmt.Fprintln(out, "\nWith --verify --keyring FILE, where FILE holds the public key, Helm checks who signed it.")
	}
	return nil
}

// ofImages returns the artifacts of the images, and what the chart is to name in place of each.
func ofImages(registry string, images []Archived) (all []artifact, pushed []reference, err error) {
	for _, img := range images {
		content, err := tarball.ImageFromPath(img.Path, nil)
		if err != nil {
			return nil, nil, fmt.Errorf("the archive of %s cannot be read: %w; remove it and run make images, which builds it again", img.Ref, err)
		}
		local, err := name.NewTag(img.Ref)
		if err != nil {
			return nil, nil, err
		}
		base := local.RepositoryStr()[strings.LastIndex(local.RepositoryStr(), "/")+1:]
		tag, err := name.NewTag(registry+"/"+base+":"+local.TagStr(), name.StrictValidation)
		if err != nil {
			return nil, nil, err
		}
		digest, err := content.Digest()
		if err != nil {
			return nil, nil, err
		}
		all = append(all, artifact{tag: tag, image: content})
		pushed = append(pushed, reference{
			component:  img.Component,
			local:      strings.TrimSuffix(img.Ref, ":"+local.TagStr()),
			repository: registry + "/" + base,
			version:    local.TagStr(),
			digest:     digest.String(),
		})
	}
	return all, pushed, nil
}

// checkRegistry refuses a registry without a host, because an image name without a host is on Docker Hub.
func checkRegistry(registry string) error {
	const example = "such as REGISTRY=ghcr.io/acme or REGISTRY=127.0.0.1:5000"
	if registry == "" {
		return fmt.Errorf("REGISTRY is empty: write the registry's host, and the path in it, %s", example)
	}
	if strings.Contains(registry, "://") {
		return fmt.Errorf("REGISTRY is %q: write it without a scheme, %s", registry, example)
	}
	host, _, _ := strings.Cut(registry, "/")
	if !strings.ContainsAny(host, ".:") {
		return fmt.Errorf("REGISTRY is %q, and %q is not a host with a dot or a port: write the host of the registry, %s", registry, host, example)
	}
	_, err := name.NewRepository(registry+"/holograph", name.StrictValidation)
	// The library accepts an empty part of a path.
	if err == nil && strings.Contains(registry+"/", "//") {
		err = errors.New("a part of the path is empty")
	}
	if err != nil {
		return fmt.Errorf("REGISTRY is %q, want a registry with a path, %s: %w", registry, example, err)
	}
	return nil
}

// there reports whether the tag names the content already. Other content is an error, unless replace is true.
func (a artifact) there(options []remote.Option, replace bool) (bool, error) {
	found, err := remote.Get(a.tag, options...)
	if status := (*transport.Error)(nil); errors.As(err, &status) && status.StatusCode == http.StatusNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	want, err := a.image.Digest()
	if err != nil || found.Digest == want {
		return err == nil, err
	}
	if a.same != nil && found.MediaType.IsImage() {
		image, err := found.Image()
		if err != nil {
			return false, err
		}
		if same, asGood, err := a.same(image); err != nil || same {
			return asGood, err
		}
	}
	if replace {
		return false, nil
	}
	return false, fmt.Errorf("%s exists with other content: it is %s, and this would be %s. Nothing was pushed. Raise version and appVersion in Chart.yaml, or replace it with FORCE=1", a.tag, found.Digest, want)
}

func describe(a artifact) string {
	// The digest was computed before, so this cannot fail.
	digest, _ := a.image.Digest()
	return a.tag.Name() + "@" + digest.String()
}

// explain says what to do about an error of the registry.
func explain(registry string, err error) error {
	host, _, _ := strings.Cut(registry, "/")
	status := (*transport.Error)(nil)
	unreachable := (*net.OpError)(nil)
	unknown := (*net.DNSError)(nil)
	switch {
	case errors.As(err, &status) && (status.StatusCode == http.StatusUnauthorized || status.StatusCode == http.StatusForbidden):
		return fmt.Errorf("%s refuses the push (status %d): run `docker login %s` as a user who may push to %s; the credentials are read from Docker's configuration: %w", host, status.StatusCode, host, registry, err)
	case errors.As(err, &unreachable), errors.As(err, &unknown):
		return fmt.Errorf("%s does not answer: %w", host, err)
	}
	return err
}

// guard refuses plain HTTP to another machine, because the library falls back to it for private addresses.
type guard struct {
	next http.RoundTripper
	// plain says that a request went over plain HTTP.
	plain atomic.Bool
}

func (g *guard) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Scheme == "http" {
		host := request.URL.Hostname()
		if address, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !address.IsLoopback()) {
			return nil, fmt.Errorf("plain HTTP is for a registry on this machine: %s must have TLS", request.URL.Host)
		}
		g.plain.Store(true)
	}
	return g.next.RoundTrip(request)
}

// reference says where an image is published that had a local name.
type reference struct {
	// component is the image's key in values.yaml.
	component string
	// local and repository are its names without a tag.
	local, repository string
	version, digest   string
}

// tag returns the tag with the digest. A separate digest in the values would take precedence over the tag when a user
// writes another image.
func (r reference) tag() string { return r.version + "@" + r.digest }

// packageFor makes the package of a chart whose defaults name the published images, and signs it if there is a key.
func packageFor(p Publication, images []reference) (string, error) {
	staged, err := os.MkdirTemp("", "publish-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(staged)
	if err := os.CopyFS(staged, os.DirFS(p.Chart)); err != nil {
		return "", err
	}
	if err := pointAt(staged, p.Registry, images); err != nil {
		return "", err
	}
	path, err := Package(staged, p.Folder)
	if err != nil || p.Key == "" {
		return path, err
	}
	return path, Sign(path, p.Key, p.Keyring, p.PassphraseFile)
}

// pointAt writes the published images into a copy of the chart: into values.yaml, and into what is generated from it.
func pointAt(folder, registry string, images []reference) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		before, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text := string(before)
		for _, i := range images {
			switch filepath.Base(path) {
			case chartutil.ValuesfileName:
				field := regexp.MustCompile(`(?m)(^\s+repository: )` + regexp.QuoteMeta(i.local) + `(\n(?:\s+#.*\n)*\s+tag: )""$`)
				if len(field.FindAllString(text, -1)) != 1 {
					return fmt.Errorf("%s: must have the image %s once, with `tag: \"\"` after its repository", path, i.local)
				}
				text = field.ReplaceAllString(text, "${1}"+i.repository+`${2}"`+i.tag()+`"`)
			case "README.md":
				// The tag has a row of its own, or is in the row of the image.
				text = strings.ReplaceAll(text, `"repository":"`+i.local+`","tag":""`, `"repository":"`+i.repository+`","tag":"`+i.tag()+`"`)
				text = strings.ReplaceAll(text, "| "+i.component+".image.tag | `\"\"` |", "| "+i.component+".image.tag | `\""+i.tag()+"\"` |")
			}
			text = strings.ReplaceAll(text, i.local+":"+i.version, i.repository+":"+i.tag())
			text = strings.ReplaceAll(text, i.local, i.repository)
		}
		switch filepath.Base(path) {
		case chartutil.ChartfileName:
			// The mark tells Artifact Hub not to scan an image that is in no registry.
			text = strings.ReplaceAll(text, "      whitelisted: true\n", "")
		case "README.md":
			text = strings.ReplaceAll(text, " charts/holograph ", " oci://"+registry+"/holograph ")
			text = strings.ReplaceAll(text, "oci://registry.example/charts", "oci://"+registry)
		}
		if text == string(before) {
			return nil
		}
		return os.WriteFile(path, []byte(text), 0o644)
	})
}

// ofChart returns the chart's package as the artifact that Helm makes of it. Helm's library makes an artifact only to push it,
// so a registry in this process receives it. That registry has the content of the artifact until done is called.
func ofChart(registry, path string) (chart artifact, done func(), err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return chart, nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return chart, nil, err
	}
	server := &http.Server{Handler: inprocess.New(inprocess.Logger(log.New(io.Discard, "", 0))), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	done = func() { _ = server.Close() }
	defer func() {
		if err != nil {
			done()
		}
	}()
	client, err := helmregistry.NewClient(helmregistry.ClientOptPlainHTTP(), helmregistry.ClientOptWriter(io.Discard))
	if err != nil {
		return chart, done, err
	}
	options := []helmregistry.PushOption{helmregistry.PushOptCreationTime(epoch.Format(time.RFC3339))}
	provenance, err := os.ReadFile(path + ".prov")
	signed := err == nil
	if signed {
		options = append(options, helmregistry.PushOptProvData(provenance))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return chart, done, err
	}
	// The package holograph-0.1.0.tgz becomes holograph:0.1.0.
	base, version, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".tgz"), "-")
	result, err := client.Push(content, listener.Addr().String()+"/"+base+":"+version, options...)
	if err != nil {
		return chart, done, err
	}
	made, err := name.NewDigest(listener.Addr().String() + "/" + base + "@" + result.Manifest.Digest)
	if err != nil {
		return chart, done, err
	}
	if chart.image, err = remote.Image(made); err != nil {
		return chart, done, err
	}
	// A tag has no plus sign, so Helm writes an underscore for it.
	chart.tag, err = name.NewTag(registry+"/"+base+":"+strings.ReplaceAll(version, "+", "_"), name.StrictValidation)
	chart.same = func(there v1.Image) (same, asGood bool, err error) {
		manifest, err := there.Manifest()
		if err != nil {
			return false, false, err
		}
		has := func(what func(v1.Descriptor) bool) bool { return slices.ContainsFunc(manifest.Layers, what) }
		same = has(func(layer v1.Descriptor) bool { return layer.Digest.String() == result.Chart.Digest })
		// Two signatures of the same package differ, so the existing one may stay.
		asGood = same && (!signed || has(func(layer v1.Descriptor) bool { return layer.MediaType == helmregistry.ProvLayerMediaType }))
		return same, asGood, nil
	}
	return chart, done, err
}

// ownImages obtains the images that are in no registry until they are published. Where the cache has them, it waits for no
// other run: that may build images for half an hour.
func ownImages(ctx context.Context) ([]Archived, error) {
	own, missing, err := archives()
	if err != nil || len(missing) == 0 {
		return own, err
	}
	release, err := supply.Wait(ctx, os.Stderr)
	if err != nil {
		return nil, err
	}
	defer release()
	for _, img := range missing {
		if _, err := img.Obtain(ctx); err != nil {
			return nil, err
		}
	}
	own, _, err = archives()
	return own, err
}

// archives returns those of the images that are in no registry, and the images whose archive the cache lacks.
func archives() (own []Archived, missing []image.Image, err error) {
	all, err := image.Chart()
	if err != nil {
		return nil, nil, err
	}
	for _, img := range all {
		if !img.Local {
			continue
		}
		path, cached, err := img.Archive()
		if err != nil {
			return nil, nil, err
		}
		if !cached {
			missing = append(missing, img)
		}
		own = append(own, Archived{Component: img.Program.Name, Ref: img.Ref, Path: path})
	}
	return own, missing, nil
}
