package guest

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"strconv"

	"holograph/ci/host"
)

// View is the window in which a page is shown.
type View struct {
	// Width and Height are in pixels.
	Width, Height int
	// Dark makes the browser prefer a dark color scheme.
	Dark bool
}

// Document returns the page's document as HTML, after the browser has loaded the page.
func Document(ctx context.Context, url string) (string, error) {
	out, err := run(ctx, View{Width: 1280, Height: 1100}, "--dump-dom", url)
	return string(out), err
}

// Screenshot writes a picture of the page to a PNG file, and returns it.
func Screenshot(ctx context.Context, url, file string, view View) (image.Image, error) {
	if _, err := run(ctx, view, "--screenshot="+file, url); err != nil {
		return nil, err
	}
	picture, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("the browser wrote no picture: %w", err)
	}
	defer picture.Close()
	return png.Decode(picture)
}

// run runs the browser once, with a new profile. The browser connects to no server except that of the page.
func run(ctx context.Context, view View, arguments ...string) ([]byte, error) {
	path, err := host.Browser()
	if err != nil {
		return nil, err
	}
	profile, err := os.MkdirTemp("", "holograph-browser-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(profile)
	options := []string{
		"--headless", "--disable-gpu", "--hide-scrollbars", "--user-data-dir=" + profile,
		"--window-size=" + strconv.Itoa(view.Width) + "," + strconv.Itoa(view.Height),
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic",
	}
	if view.Dark {
		options = append(options, "--force-dark-mode")
	}
	if os.Geteuid() == 0 {
		// Chromium refuses to start its sandbox as root.
		options = append(options, "--no-sandbox")
	}
	command := exec.CommandContext(ctx, path, append(options, arguments...)...)
	var complaints bytes.Buffer
	command.Stderr = &complaints
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", path, err, complaints.Bytes())
	}
	return out, nil
}
