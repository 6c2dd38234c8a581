// The values of the form, and their conversion to the input of the API. Numbers are texts while the user types; an
// empty one is left out, so that the server's default applies. Paths of fields are those of the API, so that its errors
// find their field.

import type {
  CreateJobInput,
  DstGap,
  DstOverlap,
  FormJobFragment,
  HttpMethod,
  JobScheduleType,
  MisfirePolicy,
  OverlapPolicy,
  Recovery,
} from '@/api/generated'
import { fromLocalInput, toLocalInput } from '@/format/time'
import { compact, indented, JsonText } from '@/lib/json'
import { DEFAULT_NAMESPACE } from '@/namespaces/namespaces'

export type TargetKind = 'log' | 'http' | 'noop' | 'handler'

/** The body of the request: the payload, or a text, which may be empty. */
export type BodyKind = 'payload' | 'text'

export interface FormValues {
  name: string
  namespace: string
  description: string
  /** Separated by commas. */
  tags: string
  priority: string
  scheduleType: JobScheduleType
  cronExpression: string
  timeZone: string
  dstGap: DstGap
  dstOverlap: DstOverlap
  intervalSeconds: string
  initialDelaySeconds: string
  /** In the form of the browser's field, in the viewer's zone: 2026-11-24T10:00. */
  startAt: string
  endAt: string
  maxRuns: string
  retainExecutions: string
  jitterSeconds: string
  calendar: string
  misfirePolicy: MisfirePolicy
  misfireGraceSeconds: string
  catchUpWindowSeconds: string
  maxCatchUp: string
  overlapPolicy: OverlapPolicy
  timeoutSeconds: string
  pauseOnFailure: boolean
  retry: { maxAttempts: string; initialBackoffSeconds: string; maxBackoffSeconds: string; multiplier: string }
  recovery: Recovery
  maxRecoveries: string
  /** JSON, or empty. */
  payload: string
  target: {
    kind: TargetKind
    http: {
      url: string
      method: HttpMethod
      headers: string
      bodyKind: BodyKind
      body: string
      timeoutSeconds: string
      /** At most two names; empty ones are left out. */
      signingSecrets: string[]
    }
    noop: { sleepMillis: string }
    handler: { name: string }
  }
  /** Values of the job that the fields above show less exactly. */
  original: { description: string | null; startAt: string | null; endAt: string | null; tags: string[] }
}

/** A new job, with the defaults of the API. */
export function newValues(zone: string): FormValues {
  return {
    name: '',
    namespace: DEFAULT_NAMESPACE,
    description: '',
    tags: '',
    priority: '5',
    scheduleType: 'CRON',
    cronExpression: '0 9 * * *',
    timeZone: zone,
    dstGap: 'RUN_AT_GAP_END',
    dstOverlap: 'AUTO',
    intervalSeconds: '300',
    initialDelaySeconds: '',
    startAt: '',
    endAt: '',
    maxRuns: '',
    retainExecutions: '',
    jitterSeconds: '',
    calendar: '',
    misfirePolicy: 'FIRE_ONCE',
    misfireGraceSeconds: '60',
    catchUpWindowSeconds: '',
    maxCatchUp: '',
    overlapPolicy: 'ALLOW',
    timeoutSeconds: '',
    pauseOnFailure: false,
    retry: { maxAttempts: '1', initialBackoffSeconds: '5', maxBackoffSeconds: '3600', multiplier: '2' },
    recovery: 'RERUN',
    maxRecoveries: '3',
    payload: '',
    target: {
      kind: 'http',
      http: {
        url: '',
        method: 'POST',
        headers: '',
        bodyKind: 'payload',
        body: '',
        timeoutSeconds: '30',
        signingSecrets: [],
      },
      noop: { sleepMillis: '0' },
      handler: { name: '' },
    },
    original: { description: null, startAt: null, endAt: null, tags: [] },
  }
}

/** A job in the form. */
export function valuesOf(job: FormJobFragment): FormValues {
  const plain = newValues(job.timeZone)
  const text = (value: number | string | null) => (value === null ? '' : String(value))
  return {
    ...plain,
    name: job.name,
    namespace: job.namespace,
    description: job.description ?? '',
    tags: job.tags.join(', '),
    priority: text(job.priority),
    scheduleType: job.scheduleType,
    cronExpression: job.cronExpression ?? plain.cronExpression,
    timeZone: job.timeZone,
    dstGap: job.dstGap,
    dstOverlap: job.dstOverlap,
    intervalSeconds: text(job.intervalSeconds ?? plain.intervalSeconds),
    initialDelaySeconds: text(job.initialDelaySeconds),
    startAt: toLocalInput(job.startAt ?? ''),
    endAt: toLocalInput(job.endAt ?? ''),
    maxRuns: text(job.maxRuns),
    retainExecutions: text(job.retainExecutions),
    jitterSeconds: job.jitterSeconds ? text(job.jitterSeconds) : '',
    calendar: job.calendar ?? '',
    misfirePolicy: job.misfirePolicy,
    misfireGraceSeconds: text(job.misfireGraceSeconds),
    catchUpWindowSeconds: text(job.catchUpWindowSeconds),
    maxCatchUp: text(job.maxCatchUp),
    overlapPolicy: job.overlapPolicy,
    timeoutSeconds: text(job.timeoutSeconds),
    pauseOnFailure: job.pauseOnFailure,
    retry: {
      maxAttempts: text(job.retry.maxAttempts),
      initialBackoffSeconds: text(job.retry.initialBackoffSeconds),
      maxBackoffSeconds: text(job.retry.maxBackoffSeconds),
      multiplier: text(job.retry.multiplier),
    },
    recovery: job.recovery,
    maxRecoveries: text(job.maxRecoveries),
    payload: job.payload ? indented(job.payload) : '',
    target: { ...plain.target, ...targetOf(job.target, plain.target) },
    original: { description: job.description, startAt: job.startAt, endAt: job.endAt, tags: job.tags },
  }
}

/** The stored target is JSON with the kind as its one key, or the kind alone. */
function targetOf(target: unknown, plain: FormValues['target']): Partial<FormValues['target']> {
  if (typeof target === 'string') return { kind: target as TargetKind }
  const [kind, fields] = Object.entries((target ?? {}) as Record<string, Record<string, unknown>>)[0] ?? ['log', {}]
  if (kind === 'noop') return { kind, noop: { sleepMillis: String(fields?.sleepMillis ?? 0) } }
  if (kind === 'handler') return { kind, handler: { name: String(fields?.name ?? '') } }
  if (kind !== 'http') return { kind: 'log' }
  const headers = fields?.headers as Record<string, string> | undefined
  const body = fields?.body as string | null | undefined
  return {
    kind,
    http: {
      url: String(fields?.url ?? ''),
      method: (fields?.method as HttpMethod | undefined) ?? plain.http.method,
      headers: headers && Object.keys(headers).length > 0 ? JSON.stringify(headers, null, 2) : '',
      bodyKind: body === null || body === undefined ? 'payload' : 'text',
      body: body ?? '',
      timeoutSeconds: String(fields?.timeoutSeconds ?? plain.http.timeoutSeconds),
      signingSecrets: (fields?.signingSecrets as string[] | undefined) ?? [],
    },
  }
}

/** The input of the API, without fields of other schedule types. */
export function inputOf(values: FormValues): CreateJobInput {
  const { scheduleType, target } = values
  const cron = scheduleType === 'CRON'
  const interval = scheduleType === 'FIXED_RATE' || scheduleType === 'FIXED_DELAY'
  const scheduled = scheduleType !== 'ON_DEMAND'
  return {
    name: values.name,
    namespace: values.namespace,
    description: descriptionOf(values.description, values.original.description),
    tags: tagsOf(values.tags, values.original.tags),
    priority: number(values.priority),
    scheduleType,
    cronExpression: cron ? values.cronExpression : null,
    timeZone: cron ? values.timeZone.trim() || null : null,
    dstGap: cron ? values.dstGap : null,
    dstOverlap: cron ? values.dstOverlap : null,
    intervalSeconds: interval ? number(values.intervalSeconds) : null,
    initialDelaySeconds: interval ? number(values.initialDelaySeconds) : null,
    startAt: scheduled ? instantOf(values.startAt, values.original.startAt) : null,
    endAt: scheduled ? instantOf(values.endAt, values.original.endAt) : null,
    maxRuns: scheduled ? number(values.maxRuns) : null,
    retainExecutions: number(values.retainExecutions),
    jitterSeconds: scheduled && scheduleType !== 'FIXED_DELAY' ? number(values.jitterSeconds) : null,
    calendar: (scheduled && values.calendar) || null,
    misfirePolicy: values.misfirePolicy,
    misfireGraceSeconds: number(values.misfireGraceSeconds),
    catchUpWindowSeconds: values.misfirePolicy === 'FIRE_ALL' ? number(values.catchUpWindowSeconds) : null,
    maxCatchUp: values.misfirePolicy === 'FIRE_ALL' ? number(values.maxCatchUp) : null,
    overlapPolicy: values.overlapPolicy,
    timeoutSeconds: number(values.timeoutSeconds),
    pauseOnFailure: values.pauseOnFailure,
    retry: {
      maxAttempts: number(values.retry.maxAttempts),
      initialBackoffSeconds: number(values.retry.initialBackoffSeconds),
      maxBackoffSeconds: number(values.retry.maxBackoffSeconds),
      multiplier: number(values.retry.multiplier),
    },
    recovery: values.recovery,
    maxRecoveries: number(values.maxRecoveries),
    payload: values.payload.trim() ? new JsonText(compact(values.payload)) : null,
    target:
      target.kind === 'log'
        ? { log: {} }
        : target.kind === 'noop'
          ? { noop: { sleepMillis: number(target.noop.sleepMillis) ?? 0 } }
          : target.kind === 'handler'
            ? { handler: { name: target.handler.name.trim() } }
            : {
                http: {
                  url: target.http.url.trim(),
                  method: target.http.method,
                  headers: target.http.headers.trim() ? JSON.parse(target.http.headers) : null,
                  body: target.http.bodyKind === 'text' ? target.http.body : null,
                  timeoutSeconds: number(target.http.timeoutSeconds),
                  signingSecrets: target.http.signingSecrets.filter(Boolean),
                },
              },
  }
}

/** The fields that decide about fire times: a preview needs no name, target or payload. */
export function scheduleOf(values: FormValues): CreateJobInput {
  return { ...inputOf({ ...values, payload: '', target: { ...values.target, kind: 'log' } }), name: 'preview' }
}

/** A number or nothing; the field itself reports a text that is no number. */
function number(text: string): number | null {
  return text.trim() === '' ? null : Number(text)
}

/** An unchanged time stays exact, with its milliseconds, and in an hour that comes twice. */
function instantOf(local: string, original: string | null): string | null {
  const typed = fromLocalInput(local) ?? null
  const unchanged = original !== null && typed === fromLocalInput(toLocalInput(original))
  return unchanged ? original : typed
}

/** Without the white space around it, if the user changed it. */
function descriptionOf(text: string, original: string | null): string | null {
  return text === (original ?? '') ? original : text.trim() || null
}

/** A stored tag may have commas; only a changed text is split. */
function tagsOf(text: string, original: string[]): string[] {
  if (text === original.join(', ')) return original
  return text
    .split(',')
    .map((tag) => tag.trim())
    .filter(Boolean)
}
