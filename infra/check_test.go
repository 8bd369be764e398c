package infra

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/firnlog/firn/layout/store"
)

// variables are those that functions need, by the function; "" are all.
var variables = map[string][]string{
	"": {"FIRN_BUCKET", "FIRN_STACK", "FIRN_LOG_LEVEL", "FIRN_JWKS_URL", "FIRN_JWT_PUBLIC_KEY", "FIRN_JWT_ISSUER", "FIRN_JWT_AUDIENCE", "FIRN_JWT_GRANT",
		"FIRN_ORIGIN", "FIRN_VAMP", "FIRN_DEDUPLICATE", "FIRN_LIMITS"},
	"ingest": {"FIRN_QUEUE_URL", "FIRN_DEAD_LETTERS_URL", "FIRN_COMPACT_URL", "FIRN_STREAM_INSTANCE"},
	"query":  {"FIRN_WORKERS_URL", "FIRN_WORKER_SHARES", "FIRN_SPREAD_MB"},
	"socket": {"FIRN_COMPACT_URL"},
}

// Where in the bucket functions work, and the bucket itself.
const (
	objects = " on ${Bucket.Arn}/${Prefix}/*"
	bucket  = " on Bucket.Arn"
)

// permissions are what functions need, and no more: only the compactor deletes,
// and what only reads cannot write. Tests in localstack/cloud show that they suffice.
var permissions = map[string][]string{
	"ingest": {"s3:GetObject" + objects, "s3:PutObject" + objects, "s3:ListBucket" + bucket, "s3:GetBucketVersioning" + bucket,
		"sqs:SendMessage on Queue.Arn", "sqs:SendMessage on DeadLetters.Arn", "lambda:InvokeFunction on CompactFunction.Arn"},
	"query": {"s3:GetObject" + objects, "s3:ListBucket" + bucket,
		"lambda:InvokeFunction on arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${AWS::StackName}-query"}, // itself
	"tail": {"s3:GetObject" + objects, "s3:ListBucket" + bucket},
	"socket": {"s3:GetObject" + objects, "s3:PutObject" + objects, "s3:ListBucket" + bucket,
		"execute-api:ManageConnections on arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Sockets}/prod/POST/@connections/*",
		"lambda:InvokeFunction on CompactFunction.Arn"},
	"compact": {"s3:GetObject" + objects, "s3:PutObject" + objects, "s3:DeleteObject" + objects, "s3:AbortMultipartUpload" + objects,
		"s3:GetObjectTagging" + objects, "s3:PutObjectTagging" + objects, "s3:ListBucket" + bucket, "s3:GetLifecycleConfiguration" + bucket},
}

// alarms are the metrics that somebody is to be told of.
var alarms = []string{"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible", "Unfinished", "Errors", "Throttles"}

// checker walks a template.
type checker struct {
	text      string
	all       any
	functions map[string]any // properties by the command's name
	findings  []string
}

// check returns what is wrong with a template.
func check(text []byte) []string {
	c := &checker{text: string(text), functions: map[string]any{}}
	if err := yaml.Unmarshal(text, &c.all); err != nil {
		return []string{err.Error()}
	}
	for _, r := range c.of("AWS::Serverless::Function") {
		p := at(r, "Properties")
		c.functions[strings.TrimSuffix(filepath.Base(str(at(p, "CodeUri"))), ".zip")] = p
	}
	c.code()
	c.environment()
	c.permissions()
	c.bucket()
	c.queue()
	c.rates()
	c.runs()
	c.watched()
	c.parameters()
	return c.findings
}

// want notes a finding unless something holds.
func (c *checker) want(holds bool, format string, args ...any) {
	if !holds {
		c.findings = append(c.findings, fmt.Sprintf(format, args...))
	}
}

// at follows a path of keys into what YAML holds.
func at(v any, path ...string) any {
	for _, key := range path {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

func str(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// list returns what stands in a list, or alone.
func list(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	return []any{v}
}

// of returns the resources of a type by their names.
func (c *checker) of(kind string) map[string]any {
	out := map[string]any{}
	resources, _ := at(c.all, "Resources").(map[string]any)
	for name, r := range resources {
		if at(r, "Type") == kind {
			out[name] = r
		}
	}
	return out
}

// code: every function has its command, and CloudFormation can read the template.
func (c *checker) code() {
	for _, name := range Functions {
		_, err := os.Stat(filepath.Join("..", "functions", name, "main.go"))
		c.want(err == nil && str(at(c.functions[name], "CodeUri")) == "../build/"+name+".zip", "%s: the code is not that of functions/%s", name, name)
	}
	c.want(str(at(c.functions["query"], "FunctionName")) == "${AWS::StackName}-query", "query is not named as it invokes itself")
	c.want(len(c.functions) == len(Functions), "the template has %d functions", len(c.functions))
	c.want(str(at(c.all, "Globals", "Function", "Runtime")) == "provided.al2023" && str(at(c.all, "Globals", "Function", "Handler")) == "bootstrap", "the runtime is another")
	c.want(!regexp.MustCompile(`(?m)(: [&*][a-z]+$|<<:)`).MatchString(c.text), "CloudFormation takes no alias and no merged mapping")
}

// environment: what a function reads is set, and nothing else.
func (c *checker) environment() {
	compare := func(who string, v any) {
		set, _ := at(v, "Environment", "Variables").(map[string]any)
		for _, name := range variables[who] {
			c.want(set[name] != nil, "%s: not set: %s", who, name)
		}
		for name := range set {
			c.want(slices.Contains(variables[who], name), "%s: set, and not read: %s", who, name)
		}
	}
	compare("", at(c.all, "Globals", "Function"))
	for _, name := range Functions {
		compare(name, c.functions[name])
	}
}

// permissions: each role may do what its function does, and no more.
func (c *checker) permissions() {
	for _, name := range Functions {
		var may []string
		for _, p := range list(at(c.functions[name], "Policies")) {
			c.want(at(p, "Statement") != nil, "%s has policies of others: %v", name, p)
			for _, s := range list(at(p, "Statement")) {
				c.want(str(at(s, "Effect")) == "Allow", "%s: effect %v", name, at(s, "Effect"))
				for _, action := range list(at(s, "Action")) {
					for _, on := range list(at(s, "Resource")) {
						may = append(may, str(action)+" on "+str(on))
					}
				}
			}
		}
		for _, p := range permissions[name] {
			c.want(slices.Contains(may, p), "%s may not %s", name, p)
		}
		for _, p := range may {
			c.want(slices.Contains(permissions[name], p), "%s may %s, and need not", name, p)
		}
	}
}

// bucket: private, encrypted, kept, and with two rules that delete nothing else.
func (c *checker) bucket() {
	b := at(c.all, "Resources", "Bucket")
	c.want(at(b, "DeletionPolicy") == "Retain" && at(b, "UpdateReplacePolicy") == "Retain", "the bucket stays when the stack goes: Retain")
	for _, block := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
		c.want(at(b, "Properties", "PublicAccessBlockConfiguration", block) == true, "the bucket is public: %s", block)
	}
	for _, r := range list(at(b, "Properties", "BucketEncryption", "ServerSideEncryptionConfiguration")) {
		c.want(str(at(r, "ServerSideEncryptionByDefault", "SSEAlgorithm")) == "AES256", "the bucket is not encrypted")
	}
	dropped := 0
	for _, r := range list(at(b, "Properties", "LifecycleConfiguration", "Rules")) {
		if at(r, "ExpirationInDays") == nil && at(r, "AbortIncompleteMultipartUpload") != nil {
			continue
		}
		c.want(strings.HasPrefix(str(at(r, "Id")), "firn-dropped "), "rules that delete by age delete events: %v", at(r, "Id"))
		for _, tag := range list(at(r, "TagFilters")) {
			if store.Dropped[str(at(tag, "Key"))] == str(at(tag, "Value")) && str(at(r, "Id")) == "firn-dropped ${Prefix}/" && str(at(r, "Prefix")) == "${Prefix}/" &&
				at(r, "ExpirationInDays") == 1 && at(r, "Status") == "Enabled" {
				dropped++
			}
		}
	}
	c.want(dropped == 1, "the rule for dropped files is not the one that Firn knows")
}

// queue: a message is kept no longer than its key is remembered, comes again
// after the function is surely over, and goes to the dead letters in the end.
func (c *checker) queue() {
	q := at(c.all, "Resources", "Queue", "Properties")
	timeout, _ := at(c.all, "Globals", "Function", "Timeout").(int)
	visible, _ := at(q, "VisibilityTimeout").(int)
	c.want(visible >= 6*timeout, "visibility of %d s is less than six times the function's %d", visible, timeout)
	c.want(at(q, "MessageRetentionPeriod") == 86400, "the retention of the queue is not the life of keys")
	c.want(str(at(q, "RedrivePolicy", "deadLetterTargetArn")) == "DeadLetters.Arn", "dead letters go elsewhere")
	kept, _ := at(c.all, "Resources", "DeadLetters", "Properties", "MessageRetentionPeriod").(int)
	c.want(kept == 14*86400, "dead letters are kept for %d s", kept)
	c.want(slices.Contains(list(at(c.functions["ingest"], "Events", "Messages", "Properties", "FunctionResponseTypes")), any("ReportBatchItemFailures")), "partial failures are not reported")
}

// rates: no gateway lets through as much as the account may.
func (c *checker) rates() {
	gates := c.of("AWS::Serverless::HttpApi")
	maps.Copy(gates, c.of("AWS::ApiGatewayV2::Stage"))
	c.want(len(gates) == 2, "the template has %d gateways", len(gates))
	for name, g := range gates {
		settings := at(g, "Properties", "DefaultRouteSettings")
		c.want(at(settings, "ThrottlingRateLimit") == "RequestRate" && at(settings, "ThrottlingBurstLimit") == "RequestBurst", "%s has no bound on requests", name)
	}
}

// runs: how functions are run.
func (c *checker) runs() {
	compact := c.functions["compact"]
	c.want(str(at(compact, "Events", "Schedule", "Type")) == "Schedule", "compact has no schedule")
	c.want(at(compact, "ReservedConcurrentExecutions") == 1, "there is more than one compactor")
	c.want(at(compact, "EventInvokeConfig", "MaximumRetryAttempts") == 0, "runs of compact pile up")
	for _, name := range []string{"query", "tail"} {
		c.want(str(at(c.functions[name], "FunctionUrlConfig", "InvokeMode")) == "RESPONSE_STREAM", "%s streams nothing", name)
	}
	groups := c.of("AWS::Logs::LogGroup")
	for _, name := range Functions {
		group := str(at(c.functions[name], "LoggingConfig", "LogGroup"))
		c.want(groups[group] != nil, "%s has no log group of its own", name)
	}
	for name, g := range groups {
		c.want(str(at(g, "Properties", "RetentionInDays")) == "LogDays", "the log group %s is kept for ever", name)
	}
}

// watched: somebody is told of what matters.
func (c *checker) watched() {
	metrics := map[string]bool{}
	for name, a := range c.of("AWS::CloudWatch::Alarm") {
		metrics[str(at(a, "Properties", "MetricName"))] = true
		c.want(strings.Contains(str(at(a, "Properties", "AlarmActions")), "AlarmTopic"), "%s tells nobody", name)
		c.want(len(str(at(a, "Properties", "AlarmDescription"))) > 20, "%s does not say what it means", name)
	}
	for _, m := range alarms {
		c.want(metrics[m], "there is no alarm for %s", m)
	}
	c.want(len(c.of("AWS::CloudWatch::Dashboard")) == 1, "there is no dashboard")
}

// parameters: each has a default and is used.
func (c *checker) parameters() {
	parameters, _ := at(c.all, "Parameters").(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		c.want(at(parameters[name], "Default") != nil, "%s has no default", name)
		used := regexp.MustCompile(`!Ref ` + name + `\b|\$\{` + name + `\}`).MatchString(c.text)
		c.want(used, "never used: %s", name)
	}
}
