// JSON in an editor: coloured, checked while typing, formatted on demand. The editor is a chunk of its own; before its
// arrival the text is editable as plain text.

import { lazy, Suspense, useRef } from 'react'
import { useController } from 'react-hook-form'
import { loadChunk } from '@/api/chunks'
import { Button } from '@/components/button'
import { Field, INPUT_CLASS } from '@/components/field'
import { indented, jsonFault } from '@/lib/json'
import { withReference } from '@/secrets/reference'
import type { EditorHandle } from './json-editor'
import { SecretOffer } from './secret-fields'
import type { FormValues } from './values'

const JsonEditor = lazy(loadChunk(() => import('./json-editor')))

/** What the API shows in place of a secret. */
const MASK = '********'
const MASK_HINT = `${MASK} stands for a hidden value. Unchanged, it keeps that value, unless the value would go to another host`

interface JsonFieldProps {
  name: 'payload' | 'target.http.headers'
  label: string
  hint: string
  /** Why a text cannot be saved. Default: not JSON. */
  check?: (text: string) => string | undefined
  /** An empty text with a reference to a secret. Default: secrets are not offered. */
  withSecret?: (reference: string) => string
}

export function JsonField({ name, label, hint, check = jsonFault, withSecret }: JsonFieldProps) {
  const { field, fieldState } = useController<FormValues, JsonFieldProps['name']>({
    name,
    rules: { validate: (text) => check(text) ?? true },
  })
  const { value, ref } = field
  const change = field.onChange
  const editor = useRef<EditorHandle>(null)
  const focusOn = (handle: EditorHandle | null) => {
    editor.current = handle
    ref(handle)
  }
  const insert = (secret: string, empty: (reference: string) => string) =>
    change(withReference(value, editor.current?.cursor() ?? value.length, secret, empty))
  return (
    <Field
      label={label}
      hint={value.includes(MASK) ? MASK_HINT : hint}
      error={check(value) ?? fieldState.error?.message}
    >
      {(ids) => (
        <div className="flex flex-col gap-1.5" data-field={name}>
          <Suspense
            fallback={
              <textarea
                {...ids}
                ref={ref}
                rows={6}
                value={value}
                onChange={(event) => change(event.target.value)}
                className={`${INPUT_CLASS} h-auto py-1.5 font-mono text-xs`}
              />
            }
          >
            <JsonEditor {...ids} ref={focusOn} label={label} value={value} onChange={change} />
          </Suspense>
          <div className="flex flex-wrap justify-end gap-1">
            {withSecret && (
              <SecretOffer where={label.toLowerCase()} onChoose={(secret) => insert(secret, withSecret)} />
            )}
            <Button
              kind="quiet"
              disabled={!value.trim() || jsonFault(value) !== undefined}
              onClick={() => change(indented(value))}
            >
              Format
            </Button>
          </div>
        </div>
      )}
    </Field>
  )
}
