// The form of a job, new or edited. The server's errors land on their field; what has none stands at the top.

import { CircleAlert } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { FormProvider, useForm } from 'react-hook-form'
import { ApiError, inWords } from '@/api/client'
import type { CreateJobInput, FormJobFragment } from '@/api/generated'
import { Button } from '@/components/button'
import { TextArea, TextField } from '@/components/field'
import { Panel } from '@/components/panel'
import { jsonFault } from '@/text/json'
import { useFieldProps } from './fields'
import { PolicyFields } from './policy-fields'
import { Preview } from './preview'
import { ScheduleFields } from './schedule-fields'
import { TargetFields } from './target-fields'
import { type FormValues, inputOf } from './values'

interface JobFormProps {
  values: FormValues
  action: string
  edited?: FormJobFragment | undefined
  /** Stands above the form, such as a conflict. */
  notice?: ReactNode
  onSave: (input: CreateJobInput) => Promise<unknown>
  onCancel: () => void
}

export function JobForm({ values, action, edited, notice, onSave, onCancel }: JobFormProps) {
  const form = useForm<FormValues>({ defaultValues: values, mode: 'onTouched' })
  const [failure, setFailure] = useState<string | null>(null)
  const save = form.handleSubmit(async (filled) => {
    setFailure(null)
    if (jsonFault(filled.payload) || jsonFault(filled.target.http.headers)) return
    try {
      await onSave(inputOf(filled))
    } catch (error) {
      const refused = error instanceof ApiError ? error.field : null
      const field = refused && fieldOf(filled, refused)
      if (field) {
        const message = inWords(error).replace(`${refused}: `, '')
        form.setError(field as 'name', { type: 'server', message }, { shouldFocus: true })
      } else {
        setFailure(inWords(error))
      }
    }
  })
  return (
    <FormProvider {...form}>
      <form onSubmit={save} noValidate className="grid items-start gap-4 xl:grid-cols-[minmax(0,1fr)_22rem]">
        <div className="flex min-w-0 flex-col gap-4">
          {notice}
          {failure && (
            <div
              role="alert"
              className="flex items-start gap-3 rounded-lg border border-bad/30 bg-bad/8 px-4 py-3 text-sm"
            >
              <CircleAlert size={18} aria-hidden className="mt-0.5 shrink-0 text-bad" />
              <p className="min-w-0 [overflow-wrap:anywhere]">{failure}</p>
            </div>
          )}
          <Identity />
          <ScheduleFields />
          <TargetFields />
          <PolicyFields />
        </div>
        <div className="flex min-w-0 flex-col gap-4 xl:sticky xl:top-4">
          <Preview values={form.watch()} edited={edited} />
          <div className="flex gap-2">
            <Button kind="primary" type="submit" busy={form.formState.isSubmitting} className="flex-1">
              {action}
            </Button>
            <Button onClick={onCancel}>Cancel</Button>
          </div>
        </div>
      </form>
    </FormProvider>
  )
}

function Identity() {
  const field = useFieldProps()
  return (
    <Panel title="Job">
      <div className="flex flex-col gap-4">
        <TextField label="Name" maxLength={255} {...field('name', { required: true })} />
        <TextArea label="Description" rows={2} maxLength={2000} {...field('description')} />
        <div className="grid gap-4 sm:grid-cols-[minmax(0,1fr)_10rem]">
          <TextField label="Tags" hint="Separated by commas, for finding and grouping" {...field('tags')} />
          <TextField
            label="Priority"
            inputMode="numeric"
            hint="0 to 9, 9 first"
            {...field('priority', { number: true })}
          />
        </div>
      </div>
    </Panel>
  )
}

/** The field of the form at that path. One holds a whole list: `tags.1` belongs to `tags`. */
function fieldOf(values: FormValues, path: string): string | null {
  const parts = path.split('.')
  let at: unknown = values
  for (const [index, part] of parts.entries()) {
    if (typeof at !== 'object' || at === null || !(part in at)) return null
    at = (at as Record<string, unknown>)[part]
    if (typeof at !== 'object') return parts.slice(0, index + 1).join('.')
  }
  return null
}
