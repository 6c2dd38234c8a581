// JSON in an editor: coloured, checked while typing, formatted on demand. The editor is a chunk of its own; until it has
// arrived the text can be edited as plain text.

import { lazy, Suspense } from 'react'
import { arriving } from '@/app/arrival'
import { Button } from '@/components/button'
import { Field, INPUT_CLASS } from '@/components/field'
import { indented, jsonFault } from '@/text/json'

const JsonEditor = lazy(arriving(() => import('./json-editor')))

interface JsonFieldProps {
  label: string
  hint: string
  value: string
  error?: string | undefined
  onChange: (text: string) => void
}

export function JsonField({ label, hint, value, error, onChange }: JsonFieldProps) {
  return (
    <Field label={label} hint={hint} error={error ?? jsonFault(value)}>
      {(ids) => (
        <div className="flex flex-col gap-1.5">
          <Suspense
            fallback={
              <textarea
                {...ids}
                rows={6}
                value={value}
                onChange={(event) => onChange(event.target.value)}
                className={`${INPUT_CLASS} h-auto py-1.5 font-mono text-xs`}
              />
            }
          >
            <JsonEditor {...ids} label={label} value={value} onChange={onChange} />
          </Suspense>
          <Button
            kind="quiet"
            className="self-end"
            disabled={!value.trim() || jsonFault(value) !== undefined}
            onClick={() => onChange(indented(value))}
          >
            Format
          </Button>
        </div>
      )}
    </Field>
  )
}
