import type { FormJobFragment } from '@/api/generated'

/** A job as its form reads it. */
export function formJob(over: Partial<FormJobFragment> = {}): FormJobFragment {
  return {
    id: '1',
    name: 'Report',
    description: null,
    tags: ['a', 'b, c'],
    priority: 5,
    status: 'ACTIVE',
    version: 3,
    scheduleType: 'FIXED_RATE',
    cronExpression: null,
    timeZone: 'UTC',
    dstGap: 'RUN_AT_GAP_END',
    dstOverlap: 'AUTO',
    intervalSeconds: 60,
    initialDelaySeconds: null,
    startAt: '2026-11-24T10:00:00.123Z',
    endAt: null,
    maxRuns: null,
    jitterSeconds: 0,
    calendar: null,
    misfirePolicy: 'FIRE_ONCE',
    misfireGraceSeconds: 60,
    catchUpWindowSeconds: null,
    maxCatchUp: null,
    overlapPolicy: 'ALLOW',
    timeoutSeconds: null,
    pauseOnFailure: false,
    retry: { maxAttempts: 1, initialBackoffSeconds: 5, maxBackoffSeconds: 3600, multiplier: 2 },
    recovery: 'RERUN',
    maxRecoveries: 3,
    payload: '{"a":12345678901234567891}',
    target: { http: { url: 'https://example.com/', method: 'PUT', headers: { 'X-Team': 'ops' }, timeoutSeconds: 5 } },
    ...over,
  }
}
