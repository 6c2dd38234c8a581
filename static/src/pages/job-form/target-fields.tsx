// The target of the job, and its data.

import { useFormContext } from 'react-hook-form'
import type { HttpMethod } from '@/api/generated'
import { SelectField, TextArea, TextField } from '@/components/field'
import { Panel } from '@/components/panel'
import { headersFault } from '@/lib/json'
import { useFieldProps } from './fields'
import { JsonField } from './json-field'
import { SigningFields } from './secret-fields'
import type { BodyKind, FormValues, TargetKind } from './values'

const KINDS: [TargetKind, string, string][] = [
  ['http', 'Webhook', 'An HTTP request; an answer of 2xx is success.'],
  ['handler', 'Handler', 'Code in a worker of yours, which takes the execution over HTTP.'],
  ['log', 'Log line', "One line in the node's log, with the payload."],
  ['noop', 'Nothing', 'Sleeps, then succeeds: for drills.'],
]

const BODIES: [BodyKind, string][] = [
  ['payload', 'The payload, as JSON'],
  ['text', 'A text of its own, or none'],
]

const METHODS: HttpMethod[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

export function TargetFields() {
  const { register, watch } = useFormContext<FormValues>()
  const field = useFieldProps()
  const kind = watch('target.kind')
  return (
    <Panel title="Target">
      <div className="flex flex-col gap-4">
        <SelectField
          label="Kind"
          hint={KINDS.find(([value]) => value === kind)?.[2]}
          className="sm:w-1/2"
          {...register('target.kind')}
        >
          {KINDS.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </SelectField>
        {kind === 'http' && (
          <>
            <div className="grid gap-4 sm:grid-cols-[8rem_minmax(0,1fr)_10rem]">
              <SelectField label="Method" {...register('target.http.method')}>
                {METHODS.map((method) => (
                  <option key={method}>{method}</option>
                ))}
              </SelectField>
              <TextField
                label="URL"
                type="url"
                spellCheck={false}
                placeholder="https://"
                hint="Private addresses are refused unless the node allows them"
                {...field('target.http.url', { required: true })}
              />
              <TextField
                label="Time-out, seconds"
                inputMode="numeric"
                hint="1 to 3600"
                {...field('target.http.timeoutSeconds', { number: true })}
              />
            </div>
            <JsonField
              label="Headers"
              hint='Names and values, such as {"X-Team": "ops"}'
              name="target.http.headers"
              check={headersFault}
              withSecret={(reference) => JSON.stringify({ Authorization: `Bearer ${reference}` }, null, 2)}
            />
            <SelectField label="Request body" className="sm:w-1/2" {...register('target.http.bodyKind')}>
              {BODIES.map(([value, label]) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
            </SelectField>
            {watch('target.http.bodyKind') === 'text' && (
              <TextArea label="Body" hint="Empty: the request has no body" {...field('target.http.body')} />
            )}
            <SigningFields />
          </>
        )}
        {kind === 'handler' && (
          <TextField
            label="Handler"
            hint="The name under which workers offer it"
            className="sm:w-1/2"
            spellCheck={false}
            {...field('target.handler.name', { required: true })}
          />
        )}
        {kind === 'noop' && (
          <TextField
            label="Sleep in milliseconds"
            inputMode="numeric"
            className="sm:w-1/2"
            {...field('target.noop.sleepMillis', { number: true })}
          />
        )}
        <JsonField
          label="Payload"
          hint="Data for the target: JSON of at most 256 KB without white space"
          name="payload"
          {...(kind === 'http' && {
            withSecret: (reference: string) => JSON.stringify({ token: reference }, null, 2),
          })}
        />
      </div>
    </Panel>
  )
}
