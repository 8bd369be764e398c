package infra

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestTemplate(t *testing.T) {
	for _, finding := range check(text) {
		t.Error(finding)
	}
}

// Mistakes that would lose events, open the bucket, or stop a function are found.
func TestPlanted(t *testing.T) {
	f := func(finding, old, new string) {
		t.Helper()
		wrong := bytes.Replace(text, []byte(old), []byte(new), 1)
		if bytes.Equal(wrong, text) {
			t.Fatalf("the template has no %q", old)
		}
		for _, found := range check(wrong) {
			if strings.Contains(found, finding) {
				return
			}
		}
		t.Errorf("not found: %s, with %q", finding, new)
	}
	f("the code is", "CodeUri: ../build/query.zip", "CodeUri: ../build/ask.zip")
	f("runtime", "Runtime: provided.al2023", "Runtime: go1.x")
	f("not set: FIRN_QUEUE_URL", "          FIRN_QUEUE_URL: !Ref Queue\n", "")
	f("not set: FIRN_BUCKET", `        FIRN_BUCKET: !Sub "s3://${Bucket}/${Prefix}"`+"\n", "")
	f("set, and not read: FIRN_COLOUR", "FIRN_STACK: ", "FIRN_COLOUR: red\n        FIRN_STACK: ")
	f("query may not lambda:InvokeFunction", "function:${AWS::StackName}-query\"", "function:${AWS::StackName}-*\"")
	f("query is not named", `FunctionName: !Sub "${AWS::StackName}-query"`, `FunctionName: !Sub "${AWS::StackName}-ask"`)
	f("query may not s3:ListBucket", `              Action: ["s3:GetObject"]
              Resource: !Sub "${Bucket.Arn}/${Prefix}/*"
            - Effect: Allow
              Action: ["s3:ListBucket"]`, `              Action: ["s3:GetObject"]
              Resource: !Sub "${Bucket.Arn}/${Prefix}/*"
            - Effect: Allow
              Action: ["s3:GetBucketLocation"]`)
	f("ingest may s3:DeleteObject", `["s3:GetObject", "s3:PutObject"]`, `["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]`)
	f("query may s3:GetObject on *", `              Action: ["s3:GetObject"]
              Resource: !Sub "${Bucket.Arn}/${Prefix}/*"`, `              Action: ["s3:GetObject"]
              Resource: "*"`)
	f("ingest may lambda:InvokeFunction on *", "Resource: !GetAtt CompactFunction.Arn", `Resource: "*"`)
	f("policies of others", "      Policies:\n", "      Policies:\n        - AmazonS3FullAccess\n")
	f("stays when the stack goes", "DeletionPolicy: Retain", "DeletionPolicy: Delete")
	f("public", "BlockPublicPolicy: true", "BlockPublicPolicy: false")
	f("encrypted", "SSEAlgorithm: AES256", "SSEAlgorithm: none")
	f("rule for dropped files", "Key: firn-state, Value: dropped", "Key: state, Value: dropped")
	f("rule for dropped files", "ExpirationInDays: 1\n", "ExpirationInDays: 30\n")
	f("rules that delete", "AbortIncompleteMultipartUpload: {DaysAfterInitiation: 2}", "ExpirationInDays: 365")
	f("visibility", "VisibilityTimeout: 180", "VisibilityTimeout: 60")
	f("retention of the queue", "MessageRetentionPeriod: 86400", "MessageRetentionPeriod: 345600")
	f("dead letters", "deadLetterTargetArn: !GetAtt DeadLetters.Arn", "deadLetterTargetArn: !GetAtt Queue.Arn")
	f("partial failures", "FunctionResponseTypes: [ReportBatchItemFailures]", "FunctionResponseTypes: []")
	f("bound on requests", "ThrottlingRateLimit: !Ref RequestRate, ", "")
	f("bound on requests", "\n      AutoDeploy: true\n      DefaultRouteSettings: {ThrottlingRateLimit: !Ref RequestRate, ThrottlingBurstLimit: !Ref RequestBurst}", "\n      AutoDeploy: true")
	f("schedule", "Type: Schedule\n", "Type: SNS\n")
	f("one compactor", "ReservedConcurrentExecutions: 1\n", "ReservedConcurrentExecutions: 2\n")
	f("log group", "LoggingConfig: {LogGroup: !Ref TailLogs}\n      FunctionUrlConfig", "FunctionUrlConfig")
	f("log group", "RetentionInDays: !Ref LogDays", "RetentionInDays: 3653")
	f("no alarm for Throttles", "MetricName: Throttles", "MetricName: Invocations")
	f("tells nobody", "AlarmActions: !If [HasTopic, [!Ref AlarmTopic], []]", "AlarmActions: []")
	f("no default", "    Default: info\n", "")
	f("never used: Origins", "FIRN_ORIGIN: !Ref Origins", "FIRN_ORIGIN: x")
	f("streams", "InvokeMode: RESPONSE_STREAM", "InvokeMode: BUFFERED")
	f("alias", "    Type: AWS::SQS::Queue\n", "    Type: &queue\n")
}

// Every variable that the functions read is in the table of who needs it.
func TestEnvironmentIsKnown(t *testing.T) {
	source, err := os.ReadFile("../functions/internal/start/settings.go")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"FIRN_MANAGEMENT_URL": true} // for gateways that are not at the address they are called by
	for _, list := range variables {
		for _, name := range list {
			known[name] = true
		}
	}
	read := map[string]bool{}
	for _, m := range regexp.MustCompile(`"(FIRN_[A-Z_]+)"`).FindAllStringSubmatch(string(source), -1) {
		if read[m[1]] = true; !known[m[1]] {
			t.Errorf("who needs %s?", m[1])
		}
	}
	for name := range known {
		if !read[name] {
			t.Errorf("nobody reads %s", name)
		}
	}
}
