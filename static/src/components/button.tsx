import { clsx } from 'clsx'
import type { LucideIcon } from 'lucide-react'
import type { ComponentProps } from 'react'

export type ButtonKind = 'primary' | 'plain' | 'quiet' | 'danger'

const KINDS: Record<ButtonKind, string> = {
  primary: 'bg-accent-solid text-on-solid hover:brightness-110',
  plain: 'border border-edge bg-surface text-ink hover:bg-hover',
  quiet: 'text-muted hover:bg-hover hover:text-ink',
  danger: 'bg-bad-solid text-on-solid hover:brightness-110',
}

const SHAPE =
  'inline-flex h-8 items-center justify-center gap-1.5 rounded-md text-sm font-medium whitespace-nowrap select-none disabled:cursor-not-allowed disabled:opacity-50'

interface ButtonProps extends ComponentProps<'button'> {
  kind?: ButtonKind
  icon?: LucideIcon
  busy?: boolean
}

/** A command with a label. */
export function Button({ kind = 'plain', icon: Icon, busy, className, children, disabled, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      disabled={disabled || busy}
      aria-busy={busy}
      className={clsx(buttonClass(kind), className)}
    >
      {Icon && <Icon size={15} aria-hidden />}
      {children}
    </button>
  )
}

/** The style of a button, for a link that looks like one. */
export function buttonClass(kind: ButtonKind = 'plain') {
  return clsx(SHAPE, 'px-3', KINDS[kind])
}

interface IconButtonProps extends ComponentProps<'button'> {
  icon: LucideIcon
  label: string
}

/** A command as an icon; the label is read out and shown as a hint. */
export function IconButton({ icon: Icon, label, className, ...rest }: IconButtonProps) {
  return (
    <button
      type="button"
      title={label}
      aria-label={label}
      {...rest}
      className={clsx(SHAPE, 'w-8 shrink-0', KINDS.quiet, className)}
    >
      <Icon size={16} aria-hidden />
    </button>
  )
}
