package store

import (
	"context"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// ruleID names the one lifecycle rule that is Firn's; behind it stands the
// prefix, so that each part of a bucket has its own.
const ruleID = "firn-dropped"

// EnsureRule implements [Rules]. Services replace all rules of a bucket at once:
// who changes others at the same moment should look again.
func (s *S3) EnsureRule(ctx context.Context) (bool, error) {
	out, err := s.client.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &s.bucket})
	switch {
	case codeOf(err) == "NoSuchLifecycleConfiguration":
		out = &s3.GetBucketLifecycleConfigurationOutput{}
	case denied(err):
		return false, nil
	case err != nil:
		return false, s.readError("look up the lifecycle rules", err)
	}
	want := s.rule()
	same := func(r types.LifecycleRule) bool { return aws.ToString(r.ID) == *want.ID }
	if i := slices.IndexFunc(out.Rules, same); i >= 0 {
		return out.Rules[i].Status == types.ExpirationStatusEnabled, nil // who disabled it wants it so
	}
	ctx, sent := watch(ctx)
	_, err = s.client.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
		Bucket:                             &s.bucket,
		LifecycleConfiguration:             &types.BucketLifecycleConfiguration{Rules: append(out.Rules, want)},
		TransitionDefaultMinimumObjectSize: out.TransitionDefaultMinimumObjectSize,
	}, once)
	if denied(err) {
		return false, nil
	}
	return err == nil, s.writeError("add the lifecycle rule "+*want.ID, err, sent)
}

// rule is Firn's rule: what is tagged was of no use for a day before, so that the
// least number of days will do.
func (s *S3) rule() types.LifecycleRule {
	var tag types.Tag
	for name, value := range Dropped {
		tag = types.Tag{Key: &name, Value: &value}
	}
	r := types.LifecycleRule{
		ID: aws.String(ruleID), Status: types.ExpirationStatusEnabled,
		Filter:     &types.LifecycleRuleFilter{Tag: &tag},
		Expiration: &types.LifecycleExpiration{Days: aws.Int32(1)},
	}
	if s.prefix != "" {
		*r.ID += " " + s.prefix
		r.Filter = &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{Prefix: &s.prefix, Tags: []types.Tag{tag}}}
	}
	return r
}

// Versioned implements [Rules].
func (s *S3) Versioned(ctx context.Context) (bool, error) {
	out, err := s.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &s.bucket})
	if denied(err) {
		return false, nil
	}
	if err != nil {
		return false, s.readError("look up whether the bucket keeps versions", err)
	}
	return out.Status != "", nil // suspended: what was versioned before still is
}

// denied reports whether a service does not do what it was asked, or not for us.
func denied(err error) bool {
	switch statusOf(err) {
	case http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	}
	switch codeOf(err) {
	case "NotImplemented", "MethodNotAllowed", "AccessDenied":
		return true
	}
	return false
}
