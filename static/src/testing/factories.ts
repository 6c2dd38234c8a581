// Rows of the API for tests: complete, with the given values.

import type {
  AuditRowFragment,
  ExecutionRowFragment,
  JobRowFragment,
  MeQuery,
  NamespaceRowFragment,
  OverviewPartsFragment,
  Role,
} from '@/api/generated'

/** The caller of an open cluster. */
export const ANONYMOUS: MeQuery['me'] = {
  name: 'anonymous',
  kind: 'ANONYMOUS',
  role: 'ADMIN',
  namespaceRoles: [],
  sessionExpiresAt: null,
}

/** A user with a session. */
export function user(
  role: Role | null,
  name = 'ada',
  namespaceRoles: MeQuery['me']['namespaceRoles'] = [],
): MeQuery['me'] {
  return { name, kind: 'USER', role, namespaceRoles, sessionExpiresAt: '2999-01-01T00:00:00.000Z' }
}

/** A namespace without a limit. */
export function namespace(name: string, given: Partial<NamespaceRowFragment> = {}): NamespaceRowFragment {
  const createdAt = '2026-11-30T10:00:00.000Z'
  return { name, description: null, createdAt, createdBy: 'ada', maxJobs: null, jobCount: 0, ...given }
}

let made = 0
const nextId = () => `018f3c00-0000-7000-8000-${String(++made).padStart(12, '0')}`

/** A job that fires every five minutes and never ran. */
export function jobRow(given: Partial<JobRowFragment> = {}): JobRowFragment {
  return {
    id: nextId(),
    version: 0,
    name: 'Invoice run',
    namespace: 'default',
    status: 'ACTIVE',
    state: 'ACTIVE',
    hasEnded: false,
    failing: null,
    excludedBy: null,
    scheduleType: 'CRON',
    scheduleDescription: 'every 5 minutes',
    cronExpression: '*/5 * * * *',
    startAt: null,
    timeZone: 'UTC',
    tags: [],
    pauseReason: null,
    nextFireTime: '2026-11-23T07:20:00.000Z',
    previousFireTime: null,
    inFlight: 0,
    recentExecutions: [],
    ...given,
  }
}

/** An execution that succeeded, on time. */
export function executionRow(given: Partial<ExecutionRowFragment> = {}): ExecutionRowFragment {
  return {
    id: nextId(),
    jobId: nextId(),
    jobName: 'Invoice run',
    fireTime: '2026-11-23T07:15:00.000Z',
    dueTime: '2026-11-23T07:15:00.000Z',
    startedAt: '2026-11-23T07:15:00.003Z',
    finishedAt: '2026-11-23T07:15:00.845Z',
    durationMillis: 842,
    status: 'SUCCESS',
    nextAttemptAt: null,
    reason: null,
    kind: 'SCHEDULE',
    attempt: 1,
    failures: 0,
    nodeName: 'node-1',
    occurrences: null,
    throughFireTime: null,
    ...given,
  }
}

/** An entry of the audit log: ada paused a job. */
export function auditEntry(given: Partial<AuditRowFragment> = {}): AuditRowFragment {
  return {
    id: '7',
    at: '2026-11-30T10:00:00.000Z',
    caller: 'ada',
    callerKind: 'USER',
    address: '10.0.0.1',
    action: 'pauseJob',
    objectKind: 'job',
    objectId: 'j',
    objectName: 'Payroll',
    outcome: 'DONE',
    details: null,
    ...given,
  }
}

/** Three nodes, no problems. */
export function overview(given: Partial<OverviewPartsFragment> = {}): OverviewPartsFragment {
  return {
    cluster: {
      activeNodes: 3,
      drainingNodes: 0,
      slots: 192,
      executionsRunning: 2,
      activeJobs: 12,
      pausedJobs: 1,
      endedJobs: 0,
      databaseTime: '2026-11-23T07:15:00.000Z',
      version: '0.1.0',
      pause: null,
    },
    failuresLastHour: 0,
    failingJobs: 0,
    dueNow: 0,
    nextDue: [],
    attention: [],
    attentionTotal: given.attention?.length ?? 0,
    blackouts: [],
    ...given,
  }
}
