// Command pack makes the chart's package, signs it, verifies it, and publishes it with its images.
// `make package`, `make sign`, `make verify` and `make publish` run it. It is a program of its own, because
// Helm's library takes minutes to compile on a fresh machine: it has 700 packages, and ci has 300.
package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"

	"holograph/ci/repo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

const usage = "usage: go run ./ci/pack [sign --key NAME --keyring FILE [--passphrase-file FILE] | verify --keyring FILE | publish --registry HOST/PATH [--key NAME --keyring FILE [--passphrase-file FILE]] [--force]]"

// run makes the package and signs or publishes it, or verifies the existing one.
func run(ctx context.Context, out io.Writer, args []string) error {
	command := ""
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	key := flags.String("key", "", "name of the key, or part of it")
	keyring := flags.String("keyring", "", "file that holds the key")
	passphrase := flags.String("passphrase-file", "", "file that holds the key's passphrase")
	registry := flags.String("registry", "", "registry to publish to")
	force := flags.Bool("force", false, "replaces what is published already")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return fmt.Errorf("%s", usage)
	}
	chart, err := repo.Path("charts", "holograph")
	if err != nil {
		return err
	}
	artifacts, err := repo.Path(".artifacts")
	if err != nil {
		return err
	}
	switch {
	case command == "":
		path, err := Package(chart, artifacts)
		if err == nil {
			fmt.Fprintln(out, path)
		}
		return err
	case command == "sign" && *key != "" && *keyring != "":
		path, err := Package(chart, artifacts)
		if err != nil {
			return err
		}
		if err := Sign(path, *key, *keyring, *passphrase); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n%s.prov\n", path, path)
		return nil
	case command == "verify" && *keyring != "":
		path, err := archive(chart, artifacts)
		if err != nil {
			return err
		}
		report, err := Verify(path, *keyring)
		fmt.Fprint(out, report)
		return err
	case command == "publish" && (*key == "") == (*keyring == ""):
		if err := checkRegistry(*registry); err != nil {
			return err
		}
		images, err := ownImages(ctx)
		if err != nil {
			return err
		}
		return Publish(ctx, out, Publication{
			Chart: chart, Folder: filepath.Join(artifacts, "publish"), Registry: *registry, Images: images,
			Key: *key, Keyring: *keyring, PassphraseFile: *passphrase, Force: *force,
		})
	}
	return fmt.Errorf("%s", usage)
}

// archive returns the path of the chart's package below folder.
func archive(chart, folder string) (string, error) {
	metadata, err := chartutil.LoadChartfile(filepath.Join(chart, chartutil.ChartfileName))
	if err != nil {
		return "", err
	}
	return filepath.Join(folder, fmt.Sprintf("%s-%s.tgz", metadata.Name, metadata.Version)), nil
}

// epoch is the time of every file in the package. Helm 3 writes the time of packing, and Helm 4 that of the checkout. With
// either, two packages of one commit differ. epoch is the first time that a zip archive can have.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// Package packs the chart as `helm package` does, into folder, and returns the package's path.
// The same files give the same bytes with the same version of Go, whose gzip compresses them.
func Package(chart, folder string) (string, error) {
	loaded, err := loader.LoadDir(chart)
	if err != nil {
		return "", err
	}
	if missing := action.CheckDependencies(loaded, loaded.Metadata.Dependencies); missing != nil {
		return "", missing
	}
	temporary, err := os.MkdirTemp("", "package-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temporary)
	packed, err := chartutil.Save(loaded, temporary)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(folder, filepath.Base(packed))
	// The signature of an older package would not verify.
	if err := os.RemoveAll(path + ".prov"); err != nil {
		return "", err
	}
	return path, timeless(packed, path)
}

// timeless copies an archive with the time of every file set to epoch.
func timeless(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	unzipped, err := gzip.NewReader(source)
	if err != nil {
		return err
	}
	target, err := os.Create(to)
	if err != nil {
		return err
	}
	defer target.Close()
	zipped := gzip.NewWriter(target)
	// Helm marks a package of a chart with these fields.
	zipped.Comment, zipped.Extra = unzipped.Comment, unzipped.Extra
	reader, writer := tar.NewReader(unzipped), tar.NewWriter(zipped)
	for {
		header, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		header.ModTime = epoch
		if err := writer.WriteHeader(header); err != nil {
			return err
		}
		if _, err := io.Copy(writer, reader); err != nil {
			return err
		}
	}
	if err := writer.Close(); err != nil {
		return err
	}
	if err := zipped.Close(); err != nil {
		return err
	}
	return target.Close()
}

// Sign writes a package's provenance file beside it, as `helm package --sign` does. Without a passphrase file it asks for the
// passphrase of an encrypted key.
func Sign(path, key, keyring, passphraseFile string) error {
	signer := action.NewPackage()
	signer.Key, signer.Keyring, signer.PassphraseFile = key, keyring, passphraseFile
	return signer.Clearsign(path)
}

// Verify checks a package against its provenance file, as `helm verify` does, and returns who
// signed it.
func Verify(path, keyring string) (string, error) {
	verifier := action.NewVerify()
	verifier.Keyring = keyring
	err := verifier.Run(path)
	return verifier.Out, err
}
