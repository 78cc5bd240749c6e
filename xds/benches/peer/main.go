// The peer: go-control-plane serving what the swarm's own server serves, told what to do by the same lines.
//
// It is written against its public API, with its defaults, and is built by tests/servers/install.sh; no test needs it.
package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	runtime "github.com/envoyproxy/go-control-plane/envoy/service/runtime/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/structpb"
)

// keys is how many keys the layer has that everybody subscribes to.
const keys = 20

// publisher is one of go-control-plane's two caches.
type publisher interface {
	// put publishes resources beside what there is.
	put(resources ...*runtime.Runtime) error
}

// everybody puts all nodes into one group.
type everybody struct{}

func (everybody) ID(*core.Node) string { return "everybody" }

// snapshots publishes by snapshots, each of which holds everything.
type snapshots struct {
	cache   cache.SnapshotCache
	all     map[string]types.Resource
	version int
}

func (s *snapshots) put(resources ...*runtime.Runtime) error {
	for _, one := range resources {
		s.all[one.Name] = one
	}
	s.version++
	list := make([]types.Resource, 0, len(s.all))
	for _, one := range s.all {
		list = append(list, one)
	}
	snapshot, err := cache.NewSnapshot(strconv.Itoa(s.version), map[resource.Type][]types.Resource{resource.RuntimeType: list})
	if err != nil {
		return err
	}
	return s.cache.SetSnapshot(context.Background(), "everybody", snapshot)
}

// linear publishes resource by resource.
type linear struct{ cache *cache.LinearCache }

func (l linear) put(resources ...*runtime.Runtime) error {
	update := make(map[string]types.Resource, len(resources))
	for _, one := range resources {
		update[one.Name] = one
	}
	return l.cache.UpdateResources(update, nil)
}

func shop(round int) *runtime.Runtime {
	fields := make(map[string]*structpb.Value, keys)
	for key := range keys {
		fields[fmt.Sprintf("upstream.maintenance_mode.shop-cluster-%d", key)] = structpb.NewNumberValue(float64(round))
	}
	return &runtime.Runtime{Name: "shop", Layer: &structpb.Struct{Fields: fields}}
}

func other(name, value int) *runtime.Runtime {
	fields := map[string]*structpb.Value{"key": structpb.NewNumberValue(float64(value))}
	return &runtime.Runtime{Name: fmt.Sprintf("other-%d", name), Layer: &structpb.Struct{Fields: fields}}
}

// obey carries out one line, and gives the time that publishing took.
func obey(to publisher, words []string, others *int) (time.Duration, error) {
	number, err := strconv.Atoi(words[1])
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	switch words[0] {
	case "publish":
		err = to.put(shop(number))
	case "others":
		*others = number
		many := make([]*runtime.Runtime, number)
		for name := range many {
			many[name] = other(name, 0)
		}
		begin = time.Now()
		err = to.put(many...)
	case "beside":
		for value := 1; value <= number && err == nil; value++ {
			err = to.put(other(value*37%*others, value))
		}
	default:
		err = fmt.Errorf("unknown command %q", words[0])
	}
	return time.Since(begin), err
}

func serve(of cache.Cache) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	grpcServer := grpc.NewServer()
	discovery.RegisterAggregatedDiscoveryServiceServer(grpcServer, server.NewServer(context.Background(), of, nil))
	go func() {
		if err := grpcServer.Serve(listener); err != nil {
			panic(err)
		}
	}()
	return listener.Addr().String(), nil
}

func run(kind string) error {
	var to publisher
	var of cache.Cache
	if kind == "linear" {
		resources := cache.NewLinearCache(resource.RuntimeType)
		to, of = linear{resources}, resources
	} else {
		all := cache.NewSnapshotCache(true, everybody{}, nil)
		to, of = &snapshots{cache: all, all: map[string]types.Resource{}}, all
	}
	address, err := serve(of)
	if err != nil {
		return err
	}
	fmt.Println(address)
	others := 0
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		took, err := obey(to, strings.Fields(lines.Text()), &others)
		if err != nil {
			return err
		}
		fmt.Println(took.Nanoseconds())
	}
	return nil
}

func main() {
	if len(os.Args) != 2 || (os.Args[1] != "linear" && os.Args[1] != "snapshot") {
		fmt.Fprintln(os.Stderr, "usage: peer linear|snapshot")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "the peer failed:", err)
		os.Exit(1)
	}
}
