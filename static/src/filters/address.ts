// The filters of a list, read from its address; each is optional.

import type {
  ExecutionReason,
  ExecutionStatus,
  JobOrder,
  JobScheduleType,
  JobState,
  JobStatus,
  LastOutcome,
  TriggerKind,
} from '@/api/generated'
import { list, listOf, oneOf, text } from '@/lib/search'
import {
  EXECUTION_KINDS,
  EXECUTION_REASONS,
  EXECUTION_STATUSES,
  HIDDEN,
  type Hidden,
  JOB_OUTCOMES,
  JOB_STATES,
  JOB_STATUSES,
  ORDERS,
  SCHEDULE_TYPES,
  SPANS,
  type Span,
  TIMELINE_VIEWS,
  type TimelineView,
} from './enums'

/** Of `/jobs`. */
export interface JobsSearch {
  search?: string
  namespace?: string[]
  status?: JobStatus[]
  state?: JobState[]
  type?: JobScheduleType[]
  tag?: string[]
  outcome?: LastOutcome[]
  order?: JobOrder
}

/** Reads the filters of `/jobs`; an unknown value is left out. */
export function jobsSearch(search: Record<string, unknown>): JobsSearch {
  return {
    search: text(search.search),
    namespace: list(search.namespace),
    status: listOf(JOB_STATUSES, search.status),
    state: listOf(JOB_STATES, search.state),
    type: listOf(SCHEDULE_TYPES, search.type),
    tag: list(search.tag),
    outcome: listOf(JOB_OUTCOMES, search.outcome),
    order: oneOf(ORDERS, search.order),
  }
}

/** Of `/timeline`: the jobs, and the view. Default: 24 hours. */
export interface TimelineSearch extends JobsSearch {
  view?: TimelineView
}

/** Reads the filters of `/timeline`. */
export function timelineSearch(search: Record<string, unknown>): TimelineSearch {
  return { ...jobsSearch(search), view: oneOf(TIMELINE_VIEWS, search.view) }
}

/** Of `/upcoming`: the span of time, and the jobs. */
export interface UpcomingSearch {
  span?: Span
  tag?: string[]
  type?: JobScheduleType[]
  hide?: Hidden
}

/** Reads the filters of `/upcoming`. */
export function upcomingSearch(search: Record<string, unknown>): UpcomingSearch {
  return {
    span: oneOf(SPANS, search.span),
    tag: list(search.tag),
    type: listOf(SCHEDULE_TYPES, search.type),
    hide: oneOf(HIDDEN, search.hide),
  }
}

/** Of `/executions`. */
export interface ExecutionsSearch {
  search?: string
  /** Where the text is searched, in addition to names and errors. */
  in?: 'outputs'
  namespace?: string[]
  job?: string
  status?: ExecutionStatus[]
  kind?: TriggerKind[]
  reason?: ExecutionReason[]
  node?: string
  from?: string
  to?: string
}

/** Reads the filters of `/executions`. */
export function executionsSearch(search: Record<string, unknown>): ExecutionsSearch {
  return {
    search: text(search.search),
    in: oneOf(['outputs'], search.in),
    namespace: list(search.namespace),
    job: text(search.job),
    status: listOf(EXECUTION_STATUSES, search.status),
    kind: listOf(EXECUTION_KINDS, search.kind),
    reason: listOf(EXECUTION_REASONS, search.reason),
    node: text(search.node),
    from: text(search.from),
    to: text(search.to),
  }
}

/** Of `/jobs/new`: the job to copy. */
export interface NewJobSearch {
  clone?: string
}

/** Reads the job to copy. */
export function newJobSearch(search: Record<string, unknown>): NewJobSearch {
  return { clone: text(search.clone) }
}
