// The form of a job, new or edited. Errors of the server appear at their field; an error without a visible field
// appears next to the button and gets the focus.

import { CircleAlert } from 'lucide-react'
import { type ReactNode, useEffect, useRef, useState } from 'react'
import { FormProvider, useForm, useFormContext } from 'react-hook-form'
import { ApiError, errorMessage } from '@/api/client'
import type { CreateJobInput, FormJobFragment } from '@/api/generated'
import { Button } from '@/components/button'
import { SelectField, TextArea, TextField } from '@/components/field'
import { Panel } from '@/components/panel'
import { useHasNamespaces, useNamespacesFor } from '@/namespaces/namespaces'
import { useFieldProps } from './fields'
import { useLeaving } from './leaving'
import { PolicyFields } from './policy-fields'
import { Preview } from './preview'
import { ScheduleFields } from './schedule-fields'
import { TargetFields } from './target-fields'
import { type FormValues, inputOf } from './values'

interface JobFormProps {
  values: FormValues
  action: string
  edited?: FormJobFragment | undefined
  /** Above the form, such as a conflict. */
  notice?: ReactNode
  /** Saves, and returns the next address; none when it was not saved. */
  onSave: (input: CreateJobInput) => Promise<(() => Promise<void>) | undefined>
  onCancel: () => void
}

export function JobForm({ values, action, edited, notice, onSave, onCancel }: JobFormProps) {
  const form = useForm<FormValues>({ defaultValues: values, mode: 'onTouched' })
  const [failure, setFailure] = useState<{ message: string } | null>(null)
  const element = useRef<HTMLFormElement>(null)
  const leave = useLeaving(form.formState.isDirty)
  const save = form.handleSubmit(async (filled) => {
    setFailure(null)
    try {
      const next = await onSave(inputOf(filled))
      if (!next) return
      leave()
      await next()
    } catch (error) {
      const path = error instanceof ApiError ? error.field : null
      const field = path && element.current && shownField(element.current, path)
      if (!field) return setFailure({ message: errorMessage(error) })
      const message = errorMessage(error).replace(`${path}: `, '')
      form.setError(field as 'name', { type: 'server', message }, { shouldFocus: true })
    }
  })
  return (
    <FormProvider {...form}>
      <form
        ref={element}
        onSubmit={save}
        noValidate
        className="flex flex-col gap-4 xl:grid xl:grid-cols-[minmax(0,1fr)_22rem] xl:items-start"
      >
        <div className="flex min-w-0 flex-col gap-4">
          {notice}
          <IdentityFields isNew={edited === undefined} />
          <ScheduleFields />
          <TargetFields />
          <PolicyFields />
        </div>
        <div className="contents min-w-0 flex-col gap-4 xl:sticky xl:top-4 xl:flex">
          <Preview values={form.watch()} edited={edited} />
          {failure && <Failure key={form.formState.submitCount} message={failure.message} />}
          {/* Below the window of a phone nobody finds it: it stays at the lower edge. */}
          <div className="sticky bottom-0 z-10 -mx-4 flex gap-2 border-t bg-canvas px-4 py-3 lg:-mx-6 lg:px-6 xl:static xl:mx-0 xl:border-0 xl:p-0">
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

function IdentityFields({ isNew }: { isNew: boolean }) {
  const field = useFieldProps()
  return (
    <Panel title="Job">
      <div className="flex flex-col gap-4">
        <TextField label="Name" maxLength={255} {...field('name', { required: true })} />
        {isNew && <NamespaceField />}
        <TextArea label="Description" rows={2} maxLength={2000} {...field('description')} />
        <div className="grid gap-4 sm:grid-cols-[minmax(0,1fr)_10rem]">
          <TextField label="Tags" hint="Separated by commas; for search and grouping" {...field('tags')} />
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

/** The namespace of a new job: one in which the caller may create jobs. */
function NamespaceField() {
  const { register, setValue, getValues } = useFormContext<FormValues>()
  const { error } = useFieldProps()('namespace')
  const several = useHasNamespaces()
  const names = useNamespacesFor('createJob')
  const [first] = names
  // A caller without a role in the default namespace creates in the first of the others.
  const isLost = first !== undefined && !names.includes(getValues('namespace'))
  useEffect(() => {
    if (isLost) setValue('namespace', first)
  }, [isLost, first, setValue])
  if (!several) return null
  return (
    <SelectField
      label="Namespace"
      hint="It decides who may see and change the job, and never changes"
      error={error}
      className="sm:w-1/2"
      {...register('namespace')}
    >
      {names.map((name) => (
        <option key={name} value={name}>
          {name}
        </option>
      ))}
    </SelectField>
  )
}

/** The error without a field. */
function Failure({ message }: { message: string }) {
  const element = useRef<HTMLDivElement>(null)
  // The focus scrolls it into view.
  useEffect(() => element.current?.focus(), [])
  return (
    <div
      ref={element}
      role="alert"
      tabIndex={-1}
      className="flex items-start gap-3 rounded-lg border border-bad/30 bg-bad/8 px-4 py-3 text-sm"
    >
      <CircleAlert size={18} aria-hidden className="mt-0.5 shrink-0 text-bad" />
      <p className="min-w-0 [overflow-wrap:anywhere]">{message}</p>
    </div>
  )
}

/** The visible field for a path of the API, or the field around it: `target.http.headers` includes its members. */
function shownField(form: HTMLFormElement, path: string): string | undefined {
  const parts = path.split('.')
  const paths = parts.map((_, index) => parts.slice(0, parts.length - index).join('.'))
  return paths.find((one) => form.querySelector(`[name="${CSS.escape(one)}"], [data-field="${CSS.escape(one)}"]`))
}
