// What the address of a list says: its filters, each of them optional.

import type { JobOrder, JobScheduleType, JobState, JobStatus } from '@/api/generated'
import {
  EXECUTION_STATUSES,
  type ExecutionStatus,
  HIDDEN,
  type Hidden,
  JOB_OUTCOMES,
  JOB_STATES,
  JOB_STATUSES,
  type JobOutcome,
  ORDERS,
  SCHEDULE_TYPES,
  SPANS,
  type Span,
  TIMELINE_VIEWS,
  type TimelineView,
  TRIGGER_KINDS,
  type TriggerKind,
} from './enums'
import { list, listOf, oneOf, text } from './search'

/** Of `/jobs`. */
export interface JobsSearch {
  search?: string
  status?: JobStatus[]
  state?: JobState[]
  type?: JobScheduleType[]
  tag?: string[]
  outcome?: JobOutcome[]
  order?: JobOrder
}

/** Reads the filters of `/jobs`; what is not understood is left out. */
export function jobsSearch(search: Record<string, unknown>): JobsSearch {
  return {
    search: text(search.search),
    status: listOf(JOB_STATUSES, search.status),
    state: listOf(JOB_STATES, search.state),
    type: listOf(SCHEDULE_TYPES, search.type),
    tag: list(search.tag),
    outcome: listOf(JOB_OUTCOMES, search.outcome),
    order: oneOf(ORDERS, search.order),
  }
}

/** Of `/timeline`: which jobs, and what of them; 24 hours by default. */
export interface TimelineSearch extends JobsSearch {
  view?: TimelineView
}

/** Reads the filters of `/timeline`. */
export function timelineSearch(search: Record<string, unknown>): TimelineSearch {
  return { ...jobsSearch(search), view: oneOf(TIMELINE_VIEWS, search.view) }
}

/** Of `/upcoming`: how far, and which jobs. */
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
  /** Where it is looked for besides names and errors. */
  in?: 'outputs'
  job?: string
  status?: ExecutionStatus[]
  kind?: TriggerKind[]
  reason?: string[]
  node?: string
  from?: string
  to?: string
}

/** Reads the filters of `/executions`. */
export function executionsSearch(search: Record<string, unknown>): ExecutionsSearch {
  return {
    search: text(search.search),
    in: oneOf(['outputs'], search.in),
    job: text(search.job),
    status: listOf(EXECUTION_STATUSES, search.status),
    kind: listOf(TRIGGER_KINDS, search.kind),
    reason: list(search.reason),
    node: text(search.node),
    from: text(search.from),
    to: text(search.to),
  }
}

/** Of `/jobs/new`: the job to copy. */
export interface NewJobSearch {
  clone?: string
}

/** Reads what to copy. */
export function newJobSearch(search: Record<string, unknown>): NewJobSearch {
  return { clone: text(search.clone) }
}
