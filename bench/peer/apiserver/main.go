// SPDX-License-Identifier: Apache-2.0

// Command apiserver is upstream's generic control plane, as its own sample builds it.
package main

import (
	"os"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	"k8s.io/kubernetes/pkg/controlplane/apiserver/samples/generic/server"
)

func main() {
	os.Exit(cli.Run(server.NewCommand()))
}
