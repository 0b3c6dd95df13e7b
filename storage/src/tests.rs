//! Contract tests: one suite, run over every engine.

mod cache;
mod cluster;
mod connections;
mod contract;
mod faults;
mod files;
mod golden;
mod harness;
mod model;

use harness::Place;

/// Makes one test per promise and engine.
macro_rules! suite {
    ($($promise:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test] async fn $promise() {
                super::contract::$promise(super::Place::memory()).await;
            })*
        }
        mod memory_without_cache {
            $(#[tokio::test] async fn $promise() {
                super::contract::$promise(super::Place::memory().without_cache()).await;
            })*
        }
        mod memory_that_loses_every_answer {
            $(#[tokio::test] async fn $promise() {
                super::contract::$promise(super::Place::losing_every_answer()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test] async fn $promise() {
                super::contract::$promise(super::Place::postgres()).await;
            })*
        }
        mod sqlite {
            $(#[tokio::test] async fn $promise() {
                super::contract::$promise(super::Place::sqlite()).await;
            })*
        }
    };
}

suite! {
    acknowledged_write_is_read_back,
    expectation_that_fails_changes_nothing,
    write_set_is_whole_or_nothing,
    list_is_ordered_and_paged,
    list_at_a_revision_shows_the_past,
    list_beyond_the_head_or_below_the_floor_is_refused,
    count_follows_writes,
    usage_follows_the_writes_and_its_limit_refuses_growth,
    watch_sees_every_event_once_in_order,
    watch_resumes_from_the_event_tables_after_a_restart,
    base_objects_are_there_from_the_start,
    base_object_is_copied_up_and_hidden,
    tenant_moves_to_a_newer_base_when_it_wakes,
    older_release_leaves_tenants_on_the_newer_base,
    deleted_tenant_leaves_nothing,
    deletion_goes_on_after_a_restart,
    new_tenant_starts_above_the_deleted_ones,
    tenants_are_found_and_listed_by_name,
    due_rows_and_owners_come_and_go_with_commits,
    tail_resumes_after_a_restart,
    old_slices_are_dropped_and_the_floor_is_raised,
    consumer_that_is_behind_keeps_its_slices,
    byte_limit_drops_slices_and_tells_the_consumer,
    tenants_do_not_see_each_other,
    tenant_goes_cold_and_wakes,
    event_is_encoded_once,
    too_large_is_refused,
}
