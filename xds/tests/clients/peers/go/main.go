// A client that finds its server by xDS, as gRPC for Go implements it.
//
// Each line of the input is a number of calls to make; each line of the output says how they ended.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	_ "google.golang.org/grpc/xds"
)

// raw is a codec of messages that are bytes.
type raw struct{}

func (raw) Name() string { return "raw" }

func (raw) Marshal(message any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*message.(*[]byte))}, nil
}

func (raw) Unmarshal(data mem.BufferSlice, message any) error {
	*message.(*[]byte) = data.Materialize()
	return nil
}

type calls struct {
	Answers  map[string]int `json:"answers"`
	Failures map[string]int `json:"failures"`
}

func call(connection *grpc.ClientConn) (string, error) {
	within, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var request, answer []byte
	err := connection.Invoke(within, "/test.Upstream/Who", &request, &answer, grpc.ForceCodecV2(raw{}))
	return string(answer), err
}

func main() {
	connection, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		left, err := strconv.Atoi(lines.Text())
		if err != nil {
			panic(err)
		}
		ended := calls{map[string]int{}, map[string]int{}}
		for ; left > 0; left-- {
			if answer, err := call(connection); err != nil {
				failure := status.Convert(err)
				ended.Failures[fmt.Sprintf("%s: %s", failure.Code(), failure.Message())]++
			} else {
				ended.Answers[answer]++
			}
		}
		line, _ := json.Marshal(ended)
		fmt.Println(string(line))
	}
}
