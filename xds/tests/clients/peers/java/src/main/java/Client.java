import io.grpc.CallOptions;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/**
 * A client that finds its server by xDS, as gRPC for Java implements it.
 *
 * <p>Each line of the input is a number of calls to make; each line of the output says how they ended.
 */
final class Client {
  private static final MethodDescriptor.Marshaller<String> TEXT =
      new MethodDescriptor.Marshaller<>() {
        @Override
        public InputStream stream(String text) {
          return new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
        }

        @Override
        public String parse(InputStream stream) {
          try {
            return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
          } catch (IOException failure) {
            throw new UncheckedIOException(failure);
          }
        }
      };

  private static final MethodDescriptor<String, String> WHO =
      MethodDescriptor.newBuilder(TEXT, TEXT)
          .setType(MethodDescriptor.MethodType.UNARY)
          .setFullMethodName("test.Upstream/Who")
          .build();

  public static void main(String[] arguments) throws IOException {
    ManagedChannel channel =
        Grpc.newChannelBuilder(arguments[0], InsecureChannelCredentials.create()).build();
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      Map<String, Integer> answers = new TreeMap<>();
      Map<String, Integer> failures = new TreeMap<>();
      for (int left = Integer.parseInt(line); left > 0; left--) {
        try {
          CallOptions options = CallOptions.DEFAULT.withDeadlineAfter(10, TimeUnit.SECONDS);
          answers.merge(ClientCalls.blockingUnaryCall(channel, WHO, options, ""), 1, Integer::sum);
        } catch (StatusRuntimeException failure) {
          var status = failure.getStatus();
          failures.merge(status.getCode() + ": " + status.getDescription(), 1, Integer::sum);
        }
      }
      System.out.println("{\"answers\":" + json(answers) + ",\"failures\":" + json(failures) + "}");
    }
    channel.shutdownNow();
  }

  private static String json(Map<String, Integer> counts) {
    return counts.entrySet().stream()
        .map(count -> quoted(count.getKey()) + ":" + count.getValue())
        .collect(Collectors.joining(",", "{", "}"));
  }

  private static String quoted(String text) {
    StringBuilder quoted = new StringBuilder("\"");
    for (char one : text.toCharArray()) {
      if (one == '"' || one == '\\') {
        quoted.append('\\').append(one);
      } else {
        quoted.append(one < ' ' ? ' ' : one);
      }
    }
    return quoted.append('"').toString();
  }
}
