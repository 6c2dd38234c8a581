// Form fields: a label, a hint, and an error that is read out with the field.

import { clsx } from 'clsx'
import { ChevronDown } from 'lucide-react'
import { type ComponentProps, type ReactNode, useId } from 'react'

export const INPUT_CLASS =
  'h-8 w-full min-w-0 rounded-md border border-edge bg-surface px-2.5 text-sm text-ink placeholder:text-faint aria-invalid:border-bad disabled:opacity-60'

interface FieldProps {
  label: ReactNode
  hint?: ReactNode
  error?: string
  className?: string
}

interface FieldIds {
  id: string
  'aria-describedby': string | undefined
  'aria-invalid': true | undefined
}

/** A label above the control that `children` creates with the ids. */
export function Field({
  label,
  hint,
  error,
  className,
  children,
}: FieldProps & { children: (ids: FieldIds) => ReactNode }) {
  const id = useId()
  const said = error || hint
  const ids: FieldIds = {
    id,
    'aria-describedby': said ? `${id}-said` : undefined,
    'aria-invalid': error ? true : undefined,
  }
  return (
    <div className={clsx('flex min-w-0 flex-col gap-1', className)}>
      <label htmlFor={id} className="font-medium text-sm">
        {label}
      </label>
      {children(ids)}
      {said && (
        <p id={`${id}-said`} className={clsx('text-xs', error ? 'text-bad' : 'text-muted')}>
          {said}
        </p>
      )}
    </div>
  )
}

/** One line of text. */
export function TextField({ label, hint, error, className, ...rest }: FieldProps & ComponentProps<'input'>) {
  return (
    <Field {...{ label, hint, error, className }}>
      {(ids) => <input type="text" {...rest} {...ids} className={INPUT_CLASS} />}
    </Field>
  )
}

/** Several lines of text. */
export function TextArea({ label, hint, error, className, ...rest }: FieldProps & ComponentProps<'textarea'>) {
  return (
    <Field {...{ label, hint, error, className }}>
      {(ids) => <textarea rows={3} {...rest} {...ids} className={clsx(INPUT_CLASS, 'h-auto py-1.5')} />}
    </Field>
  )
}

/** One of a few. */
export function SelectField({ label, hint, error, className, ...rest }: FieldProps & ComponentProps<'select'>) {
  return <Field {...{ label, hint, error, className }}>{(ids) => <Select {...rest} {...ids} />}</Field>
}

/** The browser's own list: it works by keyboard, with a screen reader and by touch. */
export function Select({ className, ...rest }: ComponentProps<'select'>) {
  return (
    <span className={clsx('relative inline-flex min-w-0', className)}>
      <select {...rest} className={clsx(INPUT_CLASS, 'appearance-none pr-8')} />
      <ChevronDown size={14} aria-hidden className="pointer-events-none absolute top-2.25 right-2.5 text-muted" />
    </span>
  )
}
